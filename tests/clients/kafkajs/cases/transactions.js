// Transactions: committed, aborted and open ones, fencing, timeouts, offsets within, and the
// consume-transform-produce loop.
'use strict'

const { codecTypes } = require('../codecs')
const {
  Member,
  claimRefused,
  createTopic,
  kafkaFor,
  produce,
  withAdmin,
} = require('../kafka')
const { claimEqual, eventually } = require('../runner')
const { numbered } = require('./records')

const INVALID_PRODUCER_EPOCH = 47
const INVALID_TRANSACTION_TIMEOUT = 50
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Calls `use` with a connected transactional producer. */
async function withProducer(run, id, use, settings = {}) {
  const producer = kafkaFor(run).producer({
    transactionalId: run.name(id),
    maxInFlightRequests: 1,
    idempotent: true,
    ...settings,
  })
  await producer.connect()
  try {
    return await use(producer)
  } finally {
    await producer.disconnect()
  }
}

/** Whether a call within a transaction was accepted. While the markers of the one before are
 * being written it is not, and KafkaJS leaves it to the application to repeat it. */
async function isDone(call) {
  try {
    await call
    return true
  } catch (error) {
    if (error.type === 'CONCURRENT_TRANSACTIONS') return false
    throw error
  }
}

/** Sends messages in one transaction; `end` is 'commit' or 'abort'. */
async function transact(producer, topic, messages, end, codec = 'none') {
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages, compression: codecTypes[codec] })
  await transaction[end]()
}

/** The offsets and values that a reader gets of a topic with one partition, up to the message with
 * the value 'last', which everybody sees. */
async function readToLast(run, topic, readUncommitted) {
  const member = new Member(run, run.name(`reader-${readUncommitted}`), 'reader', {
    readUncommitted,
  })
  await member.start(topic, { autoCommit: false })
  try {
    await member.until(() => member.values().at(-1) === 'last', 'the last message')
  } finally {
    await member.close()
  }
  return member.received.map(({ offset, value }) => [Number(offset), value.toString()])
}

/** [offset, value] of messages that begin at `first`. */
const placed = (first, messages) =>
  messages.map(({ value }, i) => [first + i, value.toString()])

async function roundTrip(run, codec) {
  const topic = run.name()
  await createTopic(run, topic)
  const [kept, lost, more] = ['kept', 'lost', 'more'].map(prefix => numbered(20, prefix))
  await withProducer(run, 'id', async producer => {
    await transact(producer, topic, kept, 'commit', codec)
    await transact(producer, topic, lost, 'abort', codec)
    await transact(producer, topic, more, 'commit', codec)
    await transact(producer, topic, [{ value: 'last' }], 'commit', codec)
  })
  const committed = [...placed(0, kept), ...placed(42, more), [63, 'last']]
  claimEqual(await readToLast(run, topic, false), committed, 'committed messages')
  const every = [...placed(0, kept), ...placed(21, lost), ...placed(42, more), [63, 'last']]
  claimEqual(await readToLast(run, topic, true), every, 'all messages')
}

const transactions = {
  async an_open_transaction_holds_back_readers_of_committed_records(run) {
    const topic = run.name()
    await createTopic(run, topic)
    const [late, behind] = [numbered(5, 'late'), numbered(4, 'behind')]
    const member = new Member(run, run.name('waits'), 'waits', { readUncommitted: false })
    await withProducer(run, 'slow', async slow => {
      const open = await slow.transaction()
      await open.send({ topic, messages: late })
      await withProducer(run, 'quick', quick => transact(quick, topic, behind, 'commit'))
      await member.start(topic, { autoCommit: false })
      await member.until(() => member.joins === 1, 'an assignment')
      // The reader of everything shows that all is there, while the other still has nothing.
      const eager = new Member(run, run.name('eager'), 'eager', { readUncommitted: true })
      await eager.start(topic, { autoCommit: false })
      await eager.until(() => eager.received.length === 9, 'all uncommitted messages')
      await eager.close()
      claimEqual(member.received, [], 'messages behind the last stable offset')
      await open.commit()
    })
    await member.until(() => member.received.length === 9, 'all committed messages')
    await member.close()
    const expected = [...placed(0, late), ...placed(5, behind)].map(([, value]) => value)
    claimEqual(member.values(), expected, 'messages in the order of their offsets')
  },

  async a_second_producer_with_the_same_id_fences_the_first(run) {
    const topic = run.name()
    await createTopic(run, topic)
    const kept = numbered(5, 'kept')
    await withProducer(run, 'id', async first => {
      const lost = await first.transaction()
      await lost.send({ topic, messages: numbered(5, 'lost') })
      await withProducer(run, 'id', async second => {
        await transact(second, topic, kept, 'commit')
        await claimRefused(INVALID_PRODUCER_EPOCH, () => lost.commit())
        await transact(second, topic, [{ value: 'last' }], 'commit')
      })
    })
    const expected = [...placed(6, kept), [12, 'last']]
    claimEqual(await readToLast(run, topic, false), expected, 'committed messages')
  },

  async a_transaction_is_aborted_when_its_timeout_has_passed(run) {
    const topic = run.name()
    await createTopic(run, topic)
    const settings = { transactionTimeout: 1000 }
    const use = async late => {
      const transaction = await late.transaction()
      await transaction.send({ topic, messages: numbered(5, 'late') })
      const ends = () =>
        withAdmin(run, async admin => {
          const [{ high }] = await admin.fetchTopicOffsets(topic)
          return high === '6'
        })
      await eventually(ends, 'a marker behind the transaction')
      await claimRefused(INVALID_PRODUCER_EPOCH, () => transaction.commit())
    }
    await withProducer(run, 'id', use, settings)
    await withProducer(run, 'id', next => transact(next, topic, [{ value: 'last' }], 'commit'))
    claimEqual(await readToLast(run, topic, false), [[6, 'last']], 'committed messages')
  },

  async transaction_timeouts_above_the_limit_are_refused(run) {
    await withProducer(run, 'id', () => {}, { transactionTimeout: 900_000 })
    await claimRefused(INVALID_TRANSACTION_TIMEOUT, () =>
      withProducer(run, 'refused', producer => producer.transaction(), {
        transactionTimeout: 900_001,
      }),
    )
  },

  async offsets_in_a_transaction_count_only_once_it_is_committed(run) {
    const [topic, consumerGroupId] = [run.name(), run.name('group')]
    await createTopic(run, topic)
    await produce(run, topic, numbered(9))
    await withAdmin(run, async admin => {
      const offset = async () => {
        const found = await admin.fetchOffsets({ groupId: consumerGroupId, topics: [topic] })
        return found[0].partitions[0].offset
      }
      const sendOffset = (transaction, at) =>
        transaction.sendOffsets({
          consumerGroupId,
          topics: [{ topic, partitions: [{ partition: 0, offset: at }] }],
        })
      await withProducer(run, 'id', async producer => {
        for (const [at, end, before, after] of [
          ['4', 'abort', '-1', '-1'],
          ['5', 'commit', '-1', '5'],
          ['7', 'abort', '5', '5'],
          ['8', 'commit', '5', '8'],
        ]) {
          const transaction = await producer.transaction()
          await eventually(() => isDone(sendOffset(transaction, at)), 'offsets in a transaction')
          claimEqual(await offset(), before, `offset while ${at} is pending`)
          await transaction[end]()
          await eventually(async () => (await offset()) === after, `offset ${after}`)
        }
      })
    })
  },

  async transformed_records_arrive_exactly_once(run) {
    const [source, sink, group] = [run.name('source'), run.name('sink'), run.name('group')]
    await createTopic(run, source, 2)
    await createTopic(run, sink)
    const sent = numbered(60, 'value', 2)
    await produce(run, source, sent)
    const consumer = kafkaFor(run).consumer({
      groupId: group,
      readUncommitted: false,
      maxWaitTimeInMs: 100,
    })
    let batches = 0
    const done = new Map()
    const transform = async (producer, batch) => {
      const messages = batch.messages.slice(0, 7).map(({ key, value }) => ({ key, value }))
      const next = String(Number(batch.messages[0].offset) + messages.length)
      const transaction = await producer.transaction()
      await transaction.send({ topic: sink, messages })
      const partitions = [{ partition: batch.partition, offset: next }]
      const topics = [{ topic: source, partitions }]
      await transaction.sendOffsets({ consumerGroupId: group, topics })
      batches += 1
      if (batches % 3 === 0) {
        await transaction.abort()
        consumer.seek({ topic: source, partition: batch.partition, offset: batch.firstOffset() })
      } else {
        await transaction.commit()
        done.set(batch.partition, next)
        consumer.seek({ topic: source, partition: batch.partition, offset: next })
      }
    }
    await withProducer(run, 'id', async producer => {
      await consumer.connect()
      await consumer.subscribe({ topic: source, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: ({ batch }) => transform(producer, batch),
      })
      const isMoved = () => [0, 1].every(partition => done.get(partition) === '30')
      await eventually(isMoved, () => `everything transformed, not ${[...done]}`)
      await consumer.disconnect()
      await transact(producer, sink, [{ value: 'last' }], 'commit')
    })
    const found = (await readToLast(run, sink, false)).map(([, value]) => value)
    const expected = [...sent.map(({ value }) => value.toString()), 'last']
    claimEqual(found.sort(), expected.sort(), 'values in the sink')
  },
}

for (const codec of CODECS) {
  transactions[`${codec}_transactions_round_trip`] = run => roundTrip(run, codec)
}

module.exports = { transactions }
