// Runs one .flow program as the JavaScript that it is and prints what it did, as JSON.
//
//   TZ=UTC node --expose-internals oracle.js program.flow
//
// The program becomes the body of `async function main() { … }` in sloppy mode, in a process of its
// own. Output: { status, value, error, console }; see record.py. `show` is the single-line form of
// values that flowlang/library/console.py documents, written a second time and independently.
"use strict"

const fs = require("fs")
const util = require("util")
const vm = require("vm")
const { getPromiseDetails } = require("internal/test/binding").internalBinding("util")

const MAX_DEPTH = 6
const MAX_ELEMENTS = 100
const NAMED = ["\n", "\\n", "\r", "\\r", "\t", "\\t", "\b", "\\b", "\f", "\\f", "\v", "\\v"]

// What a host of many contexts sets: whose built-in objects are known by name, and which messages
// of errors are shown (an engine's own texts differ between engines).
const view = { realm: globalThis, message: (text) => text }

function quote(text) {
  return "'" + text.replace(/['\\\x00-\x1f\x7f\u2028\u2029]/g, (sign) => {
    if (sign === "'" || sign === "\\") return "\\" + sign
    const at = NAMED.indexOf(sign)
    return at >= 0 ? NAMED[at + 1] : "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0")
  }) + "'"
}

function show(value, active = []) {
  if (typeof value === "string") return quote(value)
  if (Object.is(value, -0)) return "-0"
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return String(value)
  if (active.includes(value)) return "[Circular]"
  if (active.length >= MAX_DEPTH) return Array.isArray(value) ? "[Array]" : "[Object]"
  const inside = [...active, value]
  if (Array.isArray(value)) return showArray(value, inside)
  if (typeof value === "function") {
    const own = Object.getOwnPropertyDescriptor(value, "name")
    const name = own && typeof own.value === "string" ? own.value : ""
    return withProperties(name ? `[Function: ${name}]` : "[Function]", value, inside)
  }
  if (util.types.isNativeError(value)) {
    const name = typeof value.name === "string" ? value.name : "Error"
    const message = typeof value.message === "string" ? view.message(value.message) : ""
    return withProperties(name + (message && `: ${message}`), value, inside)
  }
  if (util.types.isDate(value)) {
    const time = Date.prototype.getTime.call(value) // whatever `valueOf` it has of its own
    return withProperties(isNaN(time) ? "Invalid Date" : new Date(time).toISOString(), value, inside)
  }
  if (util.types.isMap(value) || util.types.isSet(value)) return showTable(value, inside)
  if (util.types.isPromise(value)) {
    const [state, result] = getPromiseDetails(value)
    if (state === 0) return "Promise { <pending> }"
    return `Promise { ${state === 1 ? "" : "<rejected> "}${show(result, inside)} }`
  }
  if (/ Iterator\]$/.test(Object.prototype.toString.call(value))) return "[Iterator]"
  for (const name of ["Math", "JSON", "console", "crypto"]) {
    if (value === view.realm[name]) return `[${name}]`
  }
  return braced("", properties(value, Object.keys(value), inside))
}

function showArray(array, inside) {
  const parts = []
  let index = 0
  while (index < array.length && parts.length < MAX_ELEMENTS) {
    if (!(index in array)) {
      const start = index
      while (index < array.length && !(index in array)) index++
      parts.push(`<${index - start} empty>`)
      continue
    }
    parts.push(show(array[index], inside))
    index++
  }
  if (index < array.length) parts.push(`… ${array.length - index} more`)
  const others = Object.keys(array).filter((key) => String(key >>> 0) !== key || key === "4294967295")
  return `[${[...parts, ...properties(array, others, inside)].join(", ")}]`
}

function showTable(table, inside) {
  const isMap = util.types.isMap(table)
  const parts = []
  for (const entry of table) {
    if (parts.length >= MAX_ELEMENTS) {
      parts.push(`… ${table.size - MAX_ELEMENTS} more`)
      break
    }
    parts.push(isMap ? `${show(entry[0], inside)} => ${show(entry[1], inside)}` : show(entry, inside))
  }
  parts.push(...properties(table, Object.keys(table), inside))
  return braced(`${isMap ? "Map" : "Set"}(${table.size}) `, parts)
}

function withProperties(head, value, inside) {
  const isError = util.types.isNativeError(value)
  const keys = Object.keys(value).filter((key) => !(isError && key === "name"))
  const parts = properties(value, keys, inside)
  return parts.length ? braced(head + " ", parts) : head
}

function properties(value, keys, inside) {
  const parts = keys.slice(0, MAX_ELEMENTS).map((key) => {
    const name = /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(key) ? key : quote(key)
    return `${name}: ${show(value[key], inside)}`
  })
  if (keys.length > MAX_ELEMENTS) parts.push(`… ${keys.length - MAX_ELEMENTS} more`)
  return parts
}

function braced(head, parts) {
  return parts.length ? `${head}{ ${parts.join(", ")} }` : head + "{}"
}

function run(source) {
  const lines = []
  const put = (args) => {
    lines.push(args.map((arg) => (typeof arg === "string" ? arg : show(arg))).join(" "))
  }
  globalThis.console = {}
  for (const name of ["debug", "error", "info", "log", "warn"]) {
    globalThis.console[name] = { [name]: (...args) => put(args) }[name]
  }
  const outcome = { status: "suspended", value: null, error: null, console: lines }
  process.on("unhandledRejection", () => {})
  process.on("exit", () => fs.writeSync(1, JSON.stringify(outcome)))
  let main
  try {
    main = vm.runInThisContext(`(async function main() {${source}\n})`)
  } catch (error) {
    outcome.status = "refused"
    outcome.error = error.name
    return
  }
  main().then(
    (value) => {
      outcome.status = "completed"
      outcome.value = JSON.parse(JSON.stringify([value]))[0]
    },
    (error) => {
      outcome.status = "failed"
      outcome.error = util.types.isNativeError(error) ? String(error.name) : "Error"
    },
  )
}

if (require.main === module) run(fs.readFileSync(process.argv[2], "utf8"))
module.exports = { show, view }
