// Runs cases concurrently and reports them in the client matrix's line format. A case is an async
// function of a `Run` that throws when its claim does not hold.
'use strict'

const { isDeepStrictEqual, inspect } = require('node:util')

const CASE_DEADLINE_MS = 60_000
const POLL_INTERVAL_MS = 20
const WORKERS = 12

/** Where a case works: the broker's address and a prefix for names nobody else uses. */
class Run {
  constructor(bootstrap, prefix) {
    this.bootstrap = bootstrap
    this.prefix = prefix
  }

  /** A topic or group name that belongs to this case alone. */
  name(suffix) {
    return suffix ? `${this.prefix}-${suffix}` : this.prefix
  }
}

/** Throws with `message` unless `holds`. */
function claim(holds, message) {
  if (!holds) throw new Error(message)
}

/** Claims that two values are deeply equal and shows both when they are not. */
function claimEqual(actual, expected, what) {
  const show = value => inspect(value, { depth: 6, breakLength: Infinity, maxStringLength: 120 })
  const same = isDeepStrictEqual(actual, expected)
  if (!same) throw new Error(`${what}: expected ${show(expected)}, found ${show(actual)}`)
}

const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** Polls `probe` (which may be async) until it is true; fails after `timeoutMs`. */
async function eventually(probe, what, timeoutMs = 30_000) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await probe()
    if (found) return found
    if (deadline < Date.now()) {
      const text = typeof what === 'function' ? what() : what
      throw new Error(`not within ${timeoutMs} ms: ${text}`)
    }
    await pause(POLL_INTERVAL_MS)
  }
}

async function outcome(body, run) {
  let timer
  const late = new Promise((_, reject) => {
    const message = `still running after ${CASE_DEADLINE_MS} ms`
    timer = setTimeout(() => reject(new Error(message)), CASE_DEADLINE_MS)
  })
  try {
    await Promise.race([body(run), late])
    return null
  } catch (error) {
    if (process.env.TRACE) console.error(error)
    return `${error.name}: ${error.message}`.replace(/\s+/g, ' ').slice(0, 600)
  } finally {
    clearTimeout(timer)
  }
}

/** Runs `cases` ({name: async function}) and exits: 0 if all passed, 1 otherwise. `CASES` in the
 * environment restricts the run to names that contain it, for a developer at work. */
async function runCases(client, cases) {
  const { BOOTSTRAP: bootstrap, RUN_ID: runId, CASES: wanted = '' } = process.env
  if (!bootstrap || !runId) throw new Error('BOOTSTRAP and RUN_ID must be set')
  const todo = Object.entries(cases).filter(([name]) => name.includes(wanted))
  const total = todo.length
  let failed = 0
  const worker = async () => {
    while (todo.length > 0) {
      const [name, body] = todo.shift()
      const reason = await outcome(body, new Run(bootstrap, `${runId}-${client}-${name}`))
      if (reason !== null) failed += 1
      console.log(reason === null ? `ok ${name}` : `FAILED ${name}: ${reason}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  console.log(`${client}: ${total - failed} passed, ${failed} failed`)
  process.exit(total > 0 && failed === 0 ? 0 : 1)
}

module.exports = { claim, claimEqual, eventually, runCases }
