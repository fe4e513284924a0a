// Gives a fresh context what Flow has besides ECMAScript: `console`, `crypto`, `structuredClone`, a
// clock and random numbers of its own, and the durable library as stubs. Runs inside the context, so
// that every promise, error and object comes from there; `world` is node_host.js's.
(world, cloneOutside) => {
  const copy = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))
  const UNITS = { ms: 1, s: 1000, m: 60000 }
  const ms = (duration) =>
    typeof duration === "number"
      ? Math.ceil(duration * 1000)
      : parseFloat(duration) * UNITS[duration.replace(/[\d.]/g, "")]

  const failure = ({ name, message, type, details }) => {
    const error = new Error(message)
    Object.defineProperty(error, "name", { value: name, writable: true, configurable: true })
    if (type !== undefined) error.type = type
    if (details !== undefined && details !== null) error.details = copy(details)
    return error
  }

  const promised = (start) =>
    new Promise((resolve, reject) => {
      start({
        done: (value) => resolve(value === undefined ? undefined : copy(value)),
        fail: (facts) => reject(failure(facts)),
      })
    })

  const asked = (kind, type) => (name, inputs = {}, options = {}) =>
    promised(({ done, fail }) => {
      const plain = copy(inputs)
      world.ask(kind, [name, plain, copy(options)], () => {
        if (name === "fail") fail({ ...plain, type })
        else done(plain.value === undefined ? null : plain.value)
      })
    })

  const timer = (due) => promised(({ done }) => world.ask("timer", [due], () => done(undefined)))
  const RealDate = Date
  const state = new Map()
  const wait = (name, { timeout } = {}) =>
    promised((settle) => world.wait(name, timeout === undefined ? null : ms(timeout), settle))

  globalThis.Task = { run: asked("task", "task_failed") }
  globalThis.Workflow = {
    run: asked("workflow", "workflow_failed"),
    start(name, inputs = {}, options = {}) {
      const n = world.number("start", [name, copy(inputs), copy(options)])
      return options.id ?? `fuzz/${n}`
    },
  }
  globalThis.Timer = {
    delay: (duration) => timer(world.now + ms(duration)),
    until: (when) => timer(Math.ceil(new RealDate(when).getTime())),
  }
  const send = (id, name, payload) =>
    promised(({ done }) => world.ask("send", [id, name, copy(payload) ?? null], () => done(null)))
  globalThis.Signal = { when: wait, next: wait, send }
  globalThis.State = {
    set(key, value) {
      const plain = copy(value)
      state.set(key, plain)
      world.note("state", key, plain)
    },
    get: (key) => (state.has(key) ? copy(state.get(key)) : undefined),
  }

  const put = (level) => (...args) => world.log(level, args)
  globalThis.console = {
    debug: put("debug"), error: put("error"), info: put("info"), log: put("info"), warn: put("warning"),
  }
  globalThis.crypto = { randomUUID: () => world.uuid() }
  delete Error.stackTraceLimit // V8's own
  delete Error.captureStackTrace
  Math.random = () => world.random()

  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args) => (args.length ? new target(...args) : new target(world.now)),
    apply: () => new RealDate(world.now).toString(),
  })
  Date.prototype.constructor = Date
  Date.now = () => world.now

  // The combinators also take plain objects, and give an object of the same keys or, with _kv, which
  // one it was.
  const isPlain = (value) => Object.prototype.toString.call(value) === "[object Object]"
  const sources = (source) =>
    isPlain(source) ? [Object.keys(source), Object.values(source)] : [null, [...source]]
  const combined = (start) => (source) =>
    new Promise((resolve, reject) => {
      const [keys, values] = sources(source)
      start(keys, values.map((value) => Promise.resolve(value)), resolve, reject)
    })
  const keyed = (settle, keys, at) => (value) => settle({ key: keys ? keys[at] : at, value })
  const gathered = (reverse, wrapped) => (keys, promises, resolve, reject) => {
    const values = promises.map(() => undefined)
    const whole = reverse
      ? () => reject(Object.assign(new AggregateError([]), { errors: values }))
      : () => resolve(keys ? Object.fromEntries(keys.map((key, at) => [key, values[at]])) : values)
    let remaining = 1
    const less = () => --remaining || whole()
    promises.forEach((promise, at) => {
      remaining++
      const take = (wrap) => (value) => ((values[at] = wrap(value)), less())
      const plain = take((value) => value)
      if (reverse) promise.then(reverse(resolve, keys, at), plain)
      else if (!wrapped) promise.then(plain, reject)
      else
        promise.then(
          take((value) => ({ status: "fulfilled", value })),
          take((reason) => ({ status: "rejected", reason })),
        )
    })
    less()
  }
  const raced = (wrap) => (keys, promises, resolve, reject) =>
    promises.forEach((promise, at) => promise.then(wrap(resolve, keys, at), reject))
  const own = {
    all: combined(gathered(null, false)),
    allSettled: combined(gathered(null, true)),
    any: combined(gathered((resolve) => resolve, false)),
    race: combined(raced((resolve) => resolve)),
  }
  for (const name of Object.keys(own)) {
    const real = Promise[name]
    Promise[name] = function (source) {
      return this === Promise && isPlain(source) ? own[name](source) : real.call(this, source)
    }
  }
  Promise.any_kv = combined(gathered(keyed, false))
  Promise.race_kv = combined(raced(keyed))

  // The copy is made of another context's objects: give them this one's prototypes.
  const adopt = (value, seen) => {
    if (value === null || typeof value !== "object" || seen.has(value)) return value
    seen.add(value)
    const tag = Object.prototype.toString.call(value).slice(8, -1)
    const kind = tag === "Error" ? globalThis[Object.getPrototypeOf(value).name] : globalThis[tag]
    Object.setPrototypeOf(value, kind.prototype)
    if (tag === "Map") for (const [key, item] of value) adopt(key, seen), adopt(item, seen)
    if (tag === "Set") for (const item of value) adopt(item, seen)
    for (const key of Object.getOwnPropertyNames(value)) adopt(value[key], seen)
    return value
  }
  globalThis.structuredClone = (...args) => {
    if (!args.length) throw Object.assign(new TypeError("m0"), { code: "ERR_MISSING_ARGS" })
    let clone
    try {
      clone = cloneOutside(...args)
    } catch (error) {
      if (error.name === "DataCloneError") throw failure({ name: error.name, message: "m0" })
      // Node's own error, from outside of this context.
      throw Object.assign(new globalThis[error.name]("m0"), { code: error.code })
    }
    return adopt(clone, new Set())
  }
}
