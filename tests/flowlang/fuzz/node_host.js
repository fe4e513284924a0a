// Runs many programs one after the other, each as the JavaScript that it is, in a fresh context.
//
//   TZ=UTC node --expose-internals node_host.js [--coverage]
//
// A line of standard input is a task { source, script, seed }, a line of standard output its answer
// { status, value, error, trace, ran }. The durable library is stubbed by realm.js: what a program
// asks for is settled in the order that `script` says, as flow_side.py does it with a machine. With
// --coverage `ran` lists the ranges of the source with how often V8 ran them, outermost first.
"use strict"

const fs = require("fs")
const inspector = require("inspector")
const path = require("path")
const readline = require("readline")
const util = require("util")
const vm = require("vm")
const { show, view } = require("../node/oracle.js")

const MAX_EVENTS = 60
const START_MS = 1_700_000_000_000
const EVENT_MS = 1_000
const SIGNALS = ["go", "stop"]
const HEAD = "(async function main() {"
const MASK = (1n << 64n) - 1n

const realm = new vm.Script(fs.readFileSync(path.join(__dirname, "realm.js"), "utf8"))
const session = process.argv.includes("--coverage") ? new inspector.Session() : null

// An engine's own messages differ; those that programs write are "m1", "m2" and so on.
view.message = (text) => (/^m\d*$/.test(text) ? text : "")

// The world around one program: what it asked for, and what was written, in order.
class World {
  constructor(seed) {
    this.trace = []
    this.requests = new Map()
    this.waiters = []
    this.signals = []
    this.numbered = 0
    this.now = START_MS
    this.bits = BigInt(seed)
  }

  log(level, args) {
    const line = args.map((arg) => (typeof arg === "string" ? arg : show(arg))).join(" ")
    this.trace.push(["log", level, line.length > 16384 ? line.slice(0, 16384) + "…" : line])
  }

  number(kind, facts) {
    this.trace.push([kind, ++this.numbered, ...facts])
    return this.numbered
  }

  ask(kind, facts, settle) {
    const n = this.number(kind, facts)
    this.requests.set(n, settle)
    return n
  }

  note(...facts) {
    this.trace.push(facts)
  }

  wait(name, timeoutMs, settle) {
    const at = this.signals.findIndex((signal) => signal.name === name)
    if (at >= 0) return settle.done(this.signals.splice(at, 1)[0].payload)
    const waiter = { name, settle, timer: null }
    this.waiters.push(waiter)
    if (timeoutMs === null) return
    const late = () => {
      this.waiters.splice(this.waiters.indexOf(waiter), 1)
      settle.fail({ name: "TimeoutError", message: "late", type: "timeout" })
    }
    waiter.timer = this.ask("timer", [this.now + timeoutMs], late)
  }

  send(name, payload) {
    const at = this.waiters.findIndex((waiter) => waiter.name === name)
    if (at < 0) return this.signals.push({ name, payload })
    const [waiter] = this.waiters.splice(at, 1)
    if (waiter.timer !== null) {
      this.requests.delete(waiter.timer)
      this.trace.push(["cancel", waiter.timer])
    }
    waiter.settle.done(payload)
  }

  // One event of the world, by a number of the script; false when nothing can happen any more.
  happen(choice) {
    const open = [...this.requests.keys()].sort((a, b) => a - b)
    if (!open.length && !this.waiters.length) return false
    this.now += EVENT_MS
    if (!open.length || choice % 4 === 3) {
      const name = open.length ? SIGNALS[(choice >> 2) % 2] : this.waiters[0].name
      this.send(name, choice)
      return true
    }
    const n = open[(choice >> 2) % open.length]
    const settle = this.requests.get(n)
    this.requests.delete(n)
    settle()
    return true
  }

  random() {
    return Number(this.nextBits() >> 11n) * 2 ** -53
  }

  nextBits() {
    this.bits = (this.bits + 0x9e3779b97f4a7c15n) & MASK
    let bits = this.bits
    bits = ((bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
    bits = ((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn) & MASK
    return bits ^ (bits >> 31n)
  }

  uuid() {
    let bits = (this.nextBits() << 64n) | this.nextBits()
    bits = (bits & ~(0xfn << 76n)) | (4n << 76n)
    bits = (bits & ~(3n << 62n)) | (2n << 62n)
    return bits.toString(16).padStart(32, "0").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
  }
}

async function run(task) {
  const world = new World(task.seed)
  const answer = { status: "suspended", value: null, error: null, trace: world.trace }
  const context = vm.createContext()
  view.realm = vm.runInContext("globalThis", context)
  realm.runInContext(context)(world, structuredClone)
  let main
  try {
    main = vm.runInContext(`${HEAD}${task.source}\n})`, context, { filename: "program.js" })
  } catch (error) {
    return { ...answer, status: "refused", error: error.name }
  }
  main().then(
    (value) => {
      answer.status = "completed"
      answer.value = JSON.parse(JSON.stringify([value]))[0]
    },
    (error) => {
      answer.status = "failed"
      answer.error = util.types.isNativeError(error) ? String(error.name) : "Error"
    },
  )
  for (let event = 0; event < MAX_EVENTS; event++) {
    await quiescence()
    if (answer.status !== "suspended") break
    if (!world.happen(task.script[event] ?? 0)) break
  }
  await quiescence()
  if (session) answer.ran = rangesRun()
  return answer
}

// Resolves when no microtask is left.
function quiescence() {
  return new Promise((resolve) => setImmediate(resolve))
}

// The ranges of the program with their counts; outer ranges come before inner ones.
function rangesRun() {
  let ranges = []
  session.post("Profiler.takePreciseCoverage", (error, { result }) => {
    for (const script of result) {
      if (script.url !== "program.js") continue
      ranges = script.functions.flatMap((one) => one.ranges)
    }
  })
  return ranges
    .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset)
    .map((one) => [one.startOffset - HEAD.length, one.endOffset - HEAD.length, one.count])
}

async function main() {
  process.on("unhandledRejection", () => {})
  if (session) {
    session.connect()
    session.post("Profiler.enable")
    session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + "\n")
  }
}

main()
