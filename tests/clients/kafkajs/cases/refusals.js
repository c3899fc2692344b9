// Requests that the broker refuses, each with the error code that Kafka gives.
'use strict'

const { claimRefused, createTopic, kafkaFor, produce, readAll, withAdmin } = require('../kafka')
const { claim, claimEqual } = require('../runner')
const { numbered } = require('./records')

const OFFSET_METADATA_TOO_LARGE = 12
const MESSAGE_TOO_LARGE = 10
const INVALID_TOPIC = 17
const INVALID_TIMESTAMP = 32
const INVALID_PARTITIONS = 37
const INVALID_REPLICATION_FACTOR = 38
const INVALID_CONFIG = 40
const POLICY_VIOLATION = 44
const INVALID_RECORD = 87

const refusals = {
  async impossible_topics_are_refused(run) {
    const topic = run.name()
    const bad = [{ name: 'retention.ms', value: 'soon' }]
    await withAdmin(run, async admin => {
      for (const [code, options] of [
        [INVALID_TOPIC, { topic: 'has a space' }],
        [INVALID_TOPIC, { topic: '..' }],
        [INVALID_TOPIC, { topic: 'x'.repeat(250) }],
        [INVALID_PARTITIONS, { topic, numPartitions: 0 }],
        [POLICY_VIOLATION, { topic, numPartitions: 100_000_000 }],
        [INVALID_REPLICATION_FACTOR, { topic, replicationFactor: 5 }],
        [INVALID_CONFIG, { topic, configEntries: bad }],
      ]) {
        const topics = [{ numPartitions: 1, replicationFactor: 1, ...options }]
        await claimRefused(code, () => admin.createTopics({ topics }))
      }
      claim(!(await admin.listTopics()).includes(topic), 'a refused topic exists')
    })
  },

  async records_that_break_a_topics_rules_are_refused(run) {
    const rules = [
      ['large', { 'max.message.bytes': '5000' }, MESSAGE_TOO_LARGE, { value: 'x'.repeat(6000) }],
      ['keyless', { 'cleanup.policy': 'compact' }, INVALID_RECORD, { value: 'no key' }],
      ['ahead', {}, INVALID_TIMESTAMP, { value: 'v', timestamp: String(Date.now() + 7_200_000) }],
    ]
    const check = async ([suffix, configs, code, record]) => {
      const topic = run.name(suffix)
      await createTopic(run, topic, 1, configs)
      await claimRefused(code, () => produce(run, topic, [{ partition: 0, ...record }]))
      const sent = numbered(3)
      await produce(run, topic, sent)
      const [{ high }] = await withAdmin(run, admin => admin.fetchTopicOffsets(topic))
      claimEqual(high, '3', `records in the topic ${suffix}`)
    }
    await Promise.all(rules.map(check))
  },

  async a_batch_is_measured_as_it_is_stored(run) {
    const topic = run.name()
    await createTopic(run, topic, 1, { 'max.message.bytes': '5000' })
    const record = { value: 'x'.repeat(50_000), partition: 0 }
    await produce(run, topic, [record], { codec: 'gzip' })
    const [found] = await readAll(run, topic, 1)
    claimEqual(found.value.toString(), record.value, 'value')
  },

  async commit_metadata_above_4096_characters_is_refused(run) {
    const [topic, groupId] = [run.name(), run.name('group')]
    await createTopic(run, topic)
    const consumer = kafkaFor(run).consumer({ groupId })
    await consumer.connect()
    await consumer.subscribe({ topic })
    let joined = false
    consumer.on(consumer.events.GROUP_JOIN, () => {
      joined = true
    })
    await consumer.run({ autoCommit: false, eachMessage: async () => {} })
    claim(joined, 'the consumer did not join before run() returned')
    const commit = metadata =>
      consumer.commitOffsets([{ topic, partition: 0, offset: '0', metadata }])
    await commit('m'.repeat(4096))
    await claimRefused(OFFSET_METADATA_TOO_LARGE, () => commit('m'.repeat(4097)))
    await consumer.disconnect()
  },
}

module.exports = { refusals }
