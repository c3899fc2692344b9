// KafkaJS clients with settings that suit tests, and the error codes dug out of its exceptions.
'use strict'

const { Kafka, logLevel } = require('kafkajs')
const { codecTypes } = require('./codecs')
const { claim, claimEqual, eventually } = require('./runner')

/** A client; `clientId` shows up in described groups. */
function kafkaFor(run, clientId = 'matrix') {
  return new Kafka({
    clientId,
    brokers: [run.bootstrap],
    logLevel: logLevel.NOTHING,
    // Metadata of a new topic may lag behind its creation, hence some retries.
    retry: { initialRetryTime: 100, retries: 6, maxRetryTime: 1000 },
  })
}

/** Calls `use` with a connected admin client. */
async function withAdmin(run, use) {
  const admin = kafkaFor(run).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

const NOT_YET_KNOWN = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE']

/** Whether the metadata shows a leader for each of `count` partitions. */
async function hasLeaders(admin, topic, count) {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const { partitions } = topics[0]
    return partitions.length === count && partitions.every(({ leader }) => 0 <= leader)
  } catch (error) {
    if (NOT_YET_KNOWN.includes(error.type)) return false
    throw error
  }
}

/** Creates a topic and waits until its leaders are known: KafkaJS's own waitForLeaders gives up
 * when the metadata does not have the topic at once. */
async function createTopic(run, topic, numPartitions = 1, configs = {}) {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  const topics = [{ topic, numPartitions, replicationFactor: 1, configEntries }]
  await withAdmin(run, async admin => {
    const created = await admin.createTopics({ topics, waitForLeaders: false, timeout: 20_000 })
    claim(created, `${topic} was not created`)
    await eventually(() => hasLeaders(admin, topic, numPartitions), `leaders of ${topic}`)
  })
}

/** Sends `messages` in one request and returns the base offset per partition. The producer is
 * closed at the end, after `beforeClose` has returned. */
async function produce(run, topic, messages, options = {}) {
  const { codec = 'none', acks = -1, idempotent = false, beforeClose } = options
  const settings = idempotent ? { idempotent, maxInFlightRequests: 1 } : {}
  const producer = kafkaFor(run).producer({ allowAutoTopicCreation: true, ...settings })
  await producer.connect()
  try {
    const compression = codecTypes[codec]
    const answers = await producer.send({ topic, messages, acks, compression, timeout: 20_000 })
    if (beforeClose) await beforeClose()
    return new Map((answers || []).map(a => [a.partition, Number(a.baseOffset)]))
  } finally {
    await producer.disconnect()
  }
}

/** A consumer in a group that gathers what it receives and knows its assignment. */
class Member {
  constructor(run, group, clientId = 'matrix', settings = {}) {
    this.received = []
    this.assignment = []
    this.joins = 0
    this.crash = null
    this.consumer = kafkaFor(run, clientId).consumer({
      groupId: group,
      // KafkaJS sends heartbeats between fetches only: short waits make rebalances quick.
      maxWaitTimeInMs: 100,
      heartbeatInterval: 250,
      rebalanceTimeout: 10_000,
      allowAutoTopicCreation: false,
      ...settings,
    })
    this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
      this.joins += 1
      this.assignment = Object.values(payload.memberAssignment).flat().sort()
    })
    this.consumer.on(this.consumer.events.CRASH, ({ payload }) => {
      this.crash = payload.error
    })
  }

  /** Subscribes and starts to receive; `autoCommit` commits whatever was handed out. */
  async start(topic, { fromBeginning = true, autoCommit = true } = {}) {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic, fromBeginning })
    await this.consumer.run({
      autoCommit,
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch }) => {
        for (const message of batch.messages) {
          this.received.push({ partition: batch.partition, ...message })
        }
      },
    })
    return this
  }

  values() {
    return this.received.map(message => message.value && message.value.toString())
  }

  /** Waits until `probe` is true; a crash of the consumer ends the wait. */
  async until(probe, what) {
    return eventually(() => {
      if (this.crash) throw this.crash
      return probe()
    }, what)
  }

  /** Leaves the group. */
  async close() {
    await this.consumer.disconnect()
  }
}

/** Reads `count` records of a topic from its beginning, by partition and offset. */
async function readAll(run, topic, count) {
  const member = new Member(run, run.name('reader'))
  await member.start(topic, { autoCommit: false })
  try {
    const progress = () => `${member.received.length} of ${count} records`
    await member.until(() => count <= member.received.length, progress)
  } finally {
    await member.close()
  }
  const order = (a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset)
  return member.received.sort(order)
}

/** The Kafka error codes inside a KafkaJS exception, which may wrap several. */
function codesOf(error) {
  const inner = [...(error.errors || []), ...(error.groups || []), ...(error.partitions || [])]
  const codes = inner.flatMap(each => codesOf(each.error || each))
  const own = error.code !== undefined ? error.code : error.errorCode
  if (typeof own === 'number') codes.push(own)
  if (error.cause) codes.push(...codesOf(error.cause))
  return [...new Set(codes)]
}

/** Claims that `action` fails with exactly Kafka's error `code`. */
async function claimRefused(code, action) {
  let result
  try {
    result = await action()
  } catch (error) {
    claimEqual(codesOf(error), [code], `error codes of: ${error.message}`)
    return
  }
  throw new Error(`expected error code ${code}, but it succeeded with ${JSON.stringify(result)}`)
}

module.exports = {
  Member,
  claimRefused,
  createTopic,
  hasLeaders,
  kafkaFor,
  produce,
  readAll,
  withAdmin,
}
