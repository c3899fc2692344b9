// Producing and reading back: bytes, headers, nulls, order, acks, timestamps, idempotence.
'use strict'

const { randomBytes } = require('node:crypto')
const { decompressed } = require('../codecs')
const { Member, createTopic, produce, readAll, withAdmin } = require('../kafka')
const { claim, claimEqual, eventually } = require('../runner')

/** An hour ago: no retention or future limit is near. */
const recentMs = () => Date.now() - 3_600_000

/** `count` small distinct records spread evenly over `partitions`, in send order. */
function numbered(count, prefix = 'value', partitions = 1) {
  const base = recentMs()
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`key-${i}`),
    value: Buffer.from(`${prefix}-${i}`),
    headers: {},
    timestamp: String(base + i),
    partition: i % partitions,
  }))
}

/** Records at the edges: null against empty, every byte value, large, incompressible. */
function awkward() {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const text = Buffer.from('a line of text that any codec makes smaller; '.repeat(40))
  const pairs = [
    [null, Buffer.from('value without a key')],
    [Buffer.alloc(0), Buffer.from('value with an empty key')],
    [Buffer.from('tombstone'), null],
    [null, null],
    [Buffer.from('empty'), Buffer.alloc(0)],
    [everyByte, Buffer.from(everyByte).reverse()],
    [Buffer.from('kl\u00fc\u00e7'), Buffer.from('\u65e5\u672c\u8a9e \u{1f980}')],
    [Buffer.alloc(1000, 'k'), Buffer.concat(Array(100).fill(text))],
    [Buffer.from('noise'), randomBytes(9000)],
  ]
  for (let i = 0; i < 60; i += 1) pairs.push([Buffer.from(`row-${i}`), text.subarray(i)])
  const base = recentMs()
  return pairs.map(([key, value], i) => ({
    key,
    value,
    headers: { [`n${i % 3}`]: Buffer.from(String(i)) },
    timestamp: String(base + i * i),
    partition: 0,
  }))
}

/** Claims that one partition holds exactly `sent`, at dense offsets from `first`. */
function claimRecords(found, sent, first = 0) {
  const offsets = Array.from(sent, (_, i) => String(first + i))
  claimEqual(found.map(message => message.offset), offsets, 'offsets')
  found.forEach((message, i) => {
    for (const field of ['key', 'value', 'headers', 'timestamp', 'partition']) {
      claimEqual(message[field], sent[i][field], `${field} of offset ${message.offset}`)
    }
  })
}

function roundTrip(codec) {
  return async run => {
    const topic = run.name()
    const sent = awkward()
    await createTopic(run, topic)
    const before = decompressed[codec]
    await produce(run, topic, sent, { codec })
    claimRecords(await readAll(run, topic, sent.length), sent)
    if (codec !== 'none') claim(before < decompressed[codec], `no stored batch uses ${codec}`)
  }
}

const records = {
  none_batches_round_trip_byte_exact: roundTrip('none'),
  gzip_batches_round_trip_byte_exact: roundTrip('gzip'),
  snappy_batches_round_trip_byte_exact: roundTrip('snappy'),
  lz4_batches_round_trip_byte_exact: roundTrip('lz4'),
  zstd_batches_round_trip_byte_exact: roundTrip('zstd'),

  async headers_keep_order_and_duplicates(run) {
    const topic = run.name()
    const shapes = [
      {},
      { same: [Buffer.from('first'), Buffer.from('second'), Buffer.from('first')] },
      { z: Buffer.from('1'), a: Buffer.from('2'), m: Buffer.from('3') },
      { empty: Buffer.alloc(0), '\u00fcber': randomBytes(300) },
    ]
    const sent = numbered(shapes.length).map((record, i) => ({ ...record, headers: shapes[i] }))
    await createTopic(run, topic)
    await produce(run, topic, sent)
    const found = await readAll(run, topic, sent.length)
    claimRecords(found, sent)
    claimEqual(Object.keys(found[2].headers), ['z', 'a', 'm'], 'order of the headers')
  },

  async partitions_keep_their_order_at_dense_offsets(run) {
    const topic = run.name()
    const sent = numbered(400, 'value', 4)
    await createTopic(run, topic, 4)
    await produce(run, topic, sent)
    const found = await readAll(run, topic, sent.length)
    for (const partition of [0, 1, 2, 3]) {
      const own = record => record.partition === partition
      claimRecords(found.filter(own), sent.filter(own))
    }
  },

  async acks_0_1_and_all_deliver(run) {
    const topic = run.name()
    await createTopic(run, topic)
    const sent = []
    // Acks 0 last: the broker drops what it gets before it has taken up the new partition.
    for (const acks of [-1, 1, 0]) {
      const batch = numbered(20, `acks ${acks}`)
      sent.push(...batch)
      // With acks 0 there is no answer to wait for, and a connection that is closed at once may
      // take its last requests with it: the producer stays open until the records are there.
      const beforeClose = () =>
        eventually(async () => {
          const [{ high }] = await withAdmin(run, admin => admin.fetchTopicOffsets(topic))
          return high === String(sent.length)
        }, `${sent.length} records, the last with acks ${acks}`)
      await produce(run, topic, batch, { acks, beforeClose })
    }
    claimRecords(await readAll(run, topic, sent.length), sent)
  },

  async idempotent_producer_writes_once_and_in_order(run) {
    const topic = run.name()
    const sent = numbered(300)
    await createTopic(run, topic)
    await produce(run, topic, sent, { idempotent: true })
    await produce(run, topic, sent, { idempotent: true })
    claimRecords(await readAll(run, topic, 600), [...sent, ...sent])
  },

  async log_append_time_topics_carry_the_brokers_clock(run) {
    const topic = run.name()
    await createTopic(run, topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
    const before = Date.now()
    await produce(run, topic, numbered(5))
    const after = Date.now()
    for (const { timestamp } of await readAll(run, topic, 5)) {
      const isBetween = before <= Number(timestamp) && Number(timestamp) <= after
      claim(isBetween, `${timestamp} is not within ${before}..${after}`)
    }
  },

  async offsets_by_timestamp_are_exact(run) {
    const topic = run.name()
    const base = recentMs()
    const steps = [100, 300, 200, 500, 400, 900, 600]
    const sent = steps.map(step => ({ value: String(step), timestamp: String(base + step) }))
    await createTopic(run, topic)
    await produce(run, topic, sent.slice(0, 4), { codec: 'gzip' })
    await produce(run, topic, sent.slice(4))
    await withAdmin(run, async admin => {
      for (const step of [0, 100, 101, 299, 300, 301, 450, 500, 501, 900, 901]) {
        const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, base + step)
        // Where no record is that late, KafkaJS answers with the end of the partition.
        const first = steps.findIndex(candidate => step <= candidate)
        const expected = String(first < 0 ? steps.length : first)
        claimEqual(found, { partition: 0, offset: expected }, `offset for +${step} ms`)
      }
    })
  },

  async seek_moves_a_running_consumer(run) {
    const topic = run.name()
    const sent = numbered(30)
    await createTopic(run, topic)
    await produce(run, topic, sent)
    const member = await new Member(run, run.name('group')).start(topic, { autoCommit: false })
    await member.until(() => member.received.length === 30, 'all records')
    member.consumer.seek({ topic, partition: 0, offset: '20' })
    await member.until(() => 40 <= member.received.length, 'ten records again')
    await member.close()
    claimRecords(member.received.slice(30), sent.slice(20), 20)
  },

  async an_offset_out_of_range_resets_to_the_beginning(run) {
    const topic = run.name()
    const sent = numbered(6)
    await createTopic(run, topic)
    await produce(run, topic, sent)
    await withAdmin(run, async admin => {
      await admin.fetchTopicOffsets(topic) // deleteTopicRecords does not load metadata by itself
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
    })
    const member = await new Member(run, run.name('group')).start(topic, { autoCommit: false })
    await member.until(() => member.received.length === 4, 'what was not deleted')
    member.consumer.seek({ topic, partition: 0, offset: '1000' })
    await member.until(() => 8 <= member.received.length, 'the records again')
    await member.close()
    claimRecords(member.received.slice(0, 4), sent.slice(2), 2)
    claimRecords(member.received.slice(4), sent.slice(2), 2)
  },

  async a_record_of_900_kb_round_trips(run) {
    const topic = run.name()
    const sent = numbered(2).map((record, i) => ({
      ...record,
      value: i === 0 ? randomBytes(900_000) : record.value,
    }))
    await createTopic(run, topic)
    await produce(run, topic, sent)
    claimRecords(await readAll(run, topic, 2), sent)
  },

  async producing_to_an_absent_topic_creates_it(run) {
    const topic = run.name()
    const sent = numbered(5)
    await produce(run, topic, sent)
    claimRecords(await readAll(run, topic, 5), sent)
  },
}

module.exports = { numbered, records }
