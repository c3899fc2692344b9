// Consumer groups: rebalance, commits, description, deletion.
'use strict'

const { Member, claimRefused, createTopic, produce, withAdmin } = require('../kafka')
const { claim, claimEqual } = require('../runner')
const { numbered } = require('./records')

const EVERY_PARTITION = [0, 1, 2, 3]
const NON_EMPTY_GROUP = 68
const GROUP_ID_NOT_FOUND = 69

/** Produces ten records to each partition and returns their values. */
async function produceValues(run, prefix) {
  const sent = numbered(40, prefix, 4)
  await produce(run, run.name(), sent)
  return sent.map(record => record.value.toString())
}

const owns = (member, count) => member.assignment.length === count

const groups = {
  async a_group_splits_partitions_and_hands_them_over(run) {
    const [topic, group] = [run.name(), run.name('group')]
    await createTopic(run, topic, 4)
    const expected = await produceValues(run, 'alone')
    const first = await new Member(run, group, 'first').start(topic)
    const second = new Member(run, group, 'second')
    const seen = () => [...first.values(), ...second.values()]
    const allSeen = () => new Set(seen()).size === expected.length
    await first.until(allSeen, 'the first member reads everything')
    claimEqual(first.assignment, EVERY_PARTITION, 'partitions of the first member')

    await second.start(topic)
    await first.until(() => owns(first, 2) && owns(second, 2), 'an even split')
    const both = [...first.assignment, ...second.assignment].sort()
    claimEqual(both, EVERY_PARTITION, 'partitions of both members')
    expected.push(...(await produceValues(run, 'shared')))
    await first.until(allSeen, 'both members read everything')

    await first.close()
    await second.until(() => owns(second, 4), 'the second member owns all')
    expected.push(...(await produceValues(run, 'handed over')))
    await second.until(allSeen, 'the second member reads everything')
    await second.close()
    // Both committed when they lost their partitions, so nothing was delivered twice.
    claimEqual(seen().sort(), expected.sort(), 'delivered values')
    await withAdmin(run, async admin => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      const total = partitions.reduce((sum, { offset }) => sum + Number(offset), 0)
      claimEqual(total, 120, 'sum of the committed offsets')
    })
  },

  async committed_offsets_and_metadata_let_a_successor_resume(run) {
    const [topic, group] = [run.name(), run.name('group')]
    await createTopic(run, topic, 4)
    const values = await produceValues(run, 'value')
    const first = await new Member(run, group).start(topic, { autoCommit: false })
    await first.until(() => first.received.length === 40, 'all records')
    await first.consumer.commitOffsets([
      { topic, partition: 0, offset: '10', metadata: 'checkpoint \u00e9' },
      { topic, partition: 1, offset: '7' },
      { topic, partition: 2, offset: '10' },
      { topic, partition: 3, offset: '0' },
    ])
    await first.close()
    await withAdmin(run, async admin => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
      const found = partitions.find(entry => entry.partition === 0)
      claimEqual([found.offset, found.metadata], ['10', 'checkpoint \u00e9'], 'commit')
    })
    const second = await new Member(run, group).start(topic)
    await second.until(() => 13 <= second.received.length, 'what was not committed')
    await second.close()
    const rest = values.filter((_, i) => i % 4 === 3 || (i % 4 === 1 && 7 * 4 <= i))
    claimEqual(second.values().sort(), rest.sort(), 'values of the successor')
  },

  async a_group_without_offsets_starts_where_reset_says(run) {
    const [topic, group] = [run.name(), run.name('group')]
    await createTopic(run, topic)
    await produce(run, topic, numbered(10, 'old'))
    const member = await new Member(run, group).start(topic, { fromBeginning: false })
    await member.until(() => owns(member, 1), 'an assignment')
    // Its position is settled once it has received something: send until that is so.
    let sent = 0
    const receives = async () => {
      await produce(run, topic, [{ value: `new-${sent}` }])
      sent += 1
      return 0 < member.received.length
    }
    await member.until(receives, 'a new record')
    await member.until(() => member.values().at(-1) === `new-${sent - 1}`, 'the last record')
    await member.close()
    claim(member.values().every(value => value.startsWith('new')), 'it got old records')
  },

  async groups_are_listed_and_described_while_members_come_and_go(run) {
    const [topic, group] = [run.name(), run.name('group')]
    await createTopic(run, topic, 4)
    const member = await new Member(run, group, 'only-member').start(topic)
    await member.until(() => owns(member, 4), 'an assignment')
    await withAdmin(run, async admin => {
      const { groups: listed } = await admin.listGroups()
      const found = listed.find(({ groupId }) => groupId === group)
      claimEqual(found && found.protocolType, 'consumer', 'protocol type in the list')
      const [described] = (await admin.describeGroups([group])).groups
      claimEqual(described.errorCode, 0, 'error code')
      claimEqual(described.state, 'Stable', 'state')
      claimEqual(described.protocol, 'RoundRobinAssigner', 'protocol')
      claimEqual(described.members.map(({ clientId }) => clientId), ['only-member'], 'members')
      await claimRefused(NON_EMPTY_GROUP, () => admin.deleteGroups([group]))
      await member.close()
      const [emptied] = (await admin.describeGroups([group])).groups
      claimEqual([emptied.state, emptied.members], ['Empty', []], 'after the last member left')
      await admin.deleteGroups([group])
      const names = (await admin.listGroups()).groups.map(({ groupId }) => groupId)
      claim(!names.includes(group), 'the deleted group is listed')
      await claimRefused(GROUP_ID_NOT_FOUND, () => admin.deleteGroups([group]))
    })
  },

  async admin_sets_and_resets_offsets_of_an_empty_group(run) {
    const [topic, groupId] = [run.name(), run.name('group')]
    await createTopic(run, topic)
    await produce(run, topic, numbered(9))
    await withAdmin(run, async admin => {
      const offset = async () => {
        const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
        return partitions[0].offset
      }
      claimEqual(await offset(), '-1', 'offset of an unknown group')
      await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '4' }] })
      claimEqual(await offset(), '4', 'offset after it was set')
    })
    const member = await new Member(run, groupId).start(topic)
    await member.until(() => 5 <= member.received.length, 'records from the set offset')
    await member.close()
    claimEqual(member.received[0].offset, '4', 'first offset read')
  },
}

module.exports = { groups }
