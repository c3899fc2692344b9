// Topics, partitions, configurations and the cluster, through KafkaJS's admin client.
'use strict'

const { ConfigResourceTypes } = require('kafkajs')
const { claimRefused, createTopic, hasLeaders, produce, readAll, withAdmin } = require('../kafka')
const { claim, claimEqual, eventually } = require('../runner')
const { numbered } = require('./records')

const UNKNOWN_TOPIC_OR_PARTITION = 3
const OFFSET_OUT_OF_RANGE = 1
const INVALID_PARTITIONS = 37
const INVALID_CONFIG = 40

async function configsOf(admin, type, name) {
  const { resources } = await admin.describeConfigs({ resources: [{ type, name }] })
  const entries = resources[0].configEntries
  return Object.fromEntries(entries.map(entry => [entry.configName, entry.configValue]))
}

const admin = {
  async created_topics_are_listed_and_described(run) {
    const topic = run.name()
    await createTopic(run, topic, 3)
    await withAdmin(run, async client => {
      claim((await client.listTopics()).includes(topic), 'the topic is not listed')
      const { brokers } = await client.describeCluster()
      const [{ nodeId }] = brokers
      const { topics } = await client.fetchTopicMetadata({ topics: [topic] })
      const found = topics[0].partitions
        .map(p => [p.partitionId, p.leader, p.replicas, p.isr])
        .sort(([a], [b]) => a - b)
      claimEqual(found, [0, 1, 2].map(p => [p, nodeId, [nodeId], [nodeId]]), 'partitions')
      // KafkaJS answers false, not an error, when the topic exists.
      const again = await client.createTopics({ topics: [{ topic, numPartitions: 3 }] })
      claimEqual(again, false, 'creating it again')
    })
  },

  async validate_only_creates_nothing(run) {
    const topic = run.name()
    await withAdmin(run, async client => {
      const topics = [{ topic, numPartitions: 2, replicationFactor: 1 }]
      const only = { validateOnly: true, waitForLeaders: false }
      claim(await client.createTopics({ topics, ...only }), 'it would be created')
      claim(!(await client.listTopics()).includes(topic), 'the topic exists')
    })
  },

  async the_cluster_is_described(run) {
    await withAdmin(run, async client => {
      const { brokers, controller, clusterId } = await client.describeCluster()
      claim(clusterId, 'no cluster id')
      claimEqual(brokers.map(({ nodeId }) => nodeId), [controller], 'broker ids')
      claimEqual(String(brokers[0].port), run.bootstrap.split(':').at(-1), 'advertised port')
      const configs = await configsOf(client, ConfigResourceTypes.BROKER, String(controller))
      claimEqual(configs['node.id'], String(controller), 'node.id')
      claimEqual(configs['message.max.bytes'], '1048588', 'message.max.bytes')
    })
  },

  async partitions_can_be_added_but_never_removed(run) {
    const topic = run.name()
    await createTopic(run, topic)
    await withAdmin(run, async client => {
      await client.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
      await eventually(() => hasLeaders(client, topic, 4), 'four partitions with leaders')
      for (const count of [4, 3, 0]) {
        const request = { topicPartitions: [{ topic, count }] }
        await claimRefused(INVALID_PARTITIONS, () => client.createPartitions(request))
      }
    })
    await produce(run, topic, numbered(40, 'value', 4))
    const found = await readAll(run, topic, 40)
    claimEqual(found.filter(({ partition }) => partition === 3).length, 10, 'in the last one')
  },

  async topic_configs_are_described_and_altered(run) {
    const topic = run.name()
    await createTopic(run, topic, 1, { 'retention.ms': '7654321' })
    await withAdmin(run, async client => {
      const value = async name => (await configsOf(client, ConfigResourceTypes.TOPIC, topic))[name]
      const alter = (name, to) => {
        const configEntries = [{ name, value: to }]
        const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries }
        return client.alterConfigs({ validateOnly: false, resources: [resource] })
      }
      claimEqual(await value('retention.ms'), '7654321', 'retention.ms set at creation')
      claimEqual(await value('max.message.bytes'), '1048588', 'default max.message.bytes')
      // AlterConfigs replaces all settings of the resource: what is not named has its default.
      await alter('segment.ms', '86400000')
      const isAltered = async () => (await value('segment.ms')) === '86400000'
      await eventually(isAltered, 'the altered segment.ms')
      claimEqual(await value('retention.ms'), '604800000', 'retention.ms, which was not named')
      await claimRefused(INVALID_CONFIG, () => alter('retention.ms', 'never'))
    })
  },

  async offsets_of_a_topic_follow_produce_and_delete_records(run) {
    const topic = run.name()
    const sent = numbered(10)
    await createTopic(run, topic)
    await produce(run, topic, sent)
    await withAdmin(run, async client => {
      const remove = offset =>
        client.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] })
      const offsets = async () => {
        const [{ low, high }] = await client.fetchTopicOffsets(topic)
        return [low, high]
      }
      claimEqual(await offsets(), ['0', '10'], 'offsets after ten records')
      await remove('4')
      claimEqual(await offsets(), ['4', '10'], 'offsets after deleting below 4')
      await claimRefused(OFFSET_OUT_OF_RANGE, () => remove('11'))
      claimEqual((await readAll(run, topic, 6))[0].offset, '4', 'first offset read')
      await remove('-1')
      claimEqual(await offsets(), ['10', '10'], 'offsets after deleting everything')
    })
  },

  async a_deleted_topic_is_gone_and_its_name_is_free(run) {
    const topic = run.name()
    await createTopic(run, topic)
    await produce(run, topic, numbered(5))
    await withAdmin(run, async client => {
      await client.deleteTopics({ topics: [topic] })
      const isGone = async () => !(await client.listTopics()).includes(topic)
      await eventually(isGone, 'the topic is still listed')
      const again = () => client.deleteTopics({ topics: [topic] })
      await claimRefused(UNKNOWN_TOPIC_OR_PARTITION, again)
    })
    await createTopic(run, topic)
    const offsets = await produce(run, topic, numbered(3, 'second life'))
    claimEqual(offsets.get(0), 0, 'first offset in the new topic')
  },
}

module.exports = { admin }
