// The KafkaJS part of the client matrix: all cases, run concurrently.
'use strict'

const { runCases } = require('./runner')
const { admin } = require('./cases/admin')
const { groups } = require('./cases/groups')
const { records } = require('./cases/records')
const { refusals } = require('./cases/refusals')
const { transactions } = require('./cases/transactions')

runCases('kafkajs', { ...groups, ...transactions, ...records, ...refusals, ...admin })
