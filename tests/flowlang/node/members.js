// Prints what Node 20 has under the globals that Flow shares with it; members.json keeps the answer.
//
//   node members.js > members.json
//
// Full name -> [name, length] of a function, or null for what is no function. Symbols are left out.
"use strict"

const SHARED = [
  "Math", "JSON", "Object", "Array", "String", "Number", "Boolean", "Date", "Map", "Set", "Promise",
  "Error", "TypeError", "RangeError", "SyntaxError", "ReferenceError", "URIError", "EvalError",
  "AggregateError", "parseInt", "parseFloat", "isNaN", "isFinite", "structuredClone",
  "encodeURIComponent", "decodeURIComponent", "encodeURI", "decodeURI",
]
const OF_EVERY_FUNCTION = ["length", "name", "prototype", "arguments", "caller"]

const found = {}

function describe(value) {
  return typeof value === "function" ? [value.name, value.length] : null
}

function addMembers(path, owner) {
  for (const key of Object.getOwnPropertyNames(owner)) {
    if (typeof owner === "function" && OF_EVERY_FUNCTION.includes(key)) continue
    found[`${path}.${key}`] = describe(Object.getOwnPropertyDescriptor(owner, key).value)
  }
}

for (const name of SHARED) {
  const value = globalThis[name]
  found[name] = describe(value)
  addMembers(name, value)
  if (typeof value === "function" && value.prototype) addMembers(`${name}.prototype`, value.prototype)
}
addMembers("Function.prototype", Function.prototype)

const lines = Object.keys(found).sort().map((key) => `${JSON.stringify(key)}: ${JSON.stringify(found[key])}`)
console.log(`{\n${lines.join(",\n")}\n}`)
