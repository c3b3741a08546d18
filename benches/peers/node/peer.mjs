// `node peer.mjs`: V8 behind the comparison's command line, as far as kernels go. Prints the same report as the others.
// Which of V8's compilers run is decided by the flags that node is started with, not here.

import { readFileSync } from "node:fs";
import { argv, exit, hrtime, stderr, versions } from "node:process";
import { parseArgs } from "node:util";

/** Nanoseconds of the monotonic clock since an earlier reading of it. */
const elapsed = (start) => Number(hrtime.bigint() - start);

function kernel(engine, file, name, n, repeat, warmUp) {
    const bytes = readFileSync(file);

    let start = hrtime.bigint();
    const module = new WebAssembly.Module(bytes);
    const compile = elapsed(start);

    start = hrtime.bigint();
    const instance = new WebAssembly.Instance(module, { host: { add_one: (argument) => (argument + 1) | 0 } });
    const instantiate = elapsed(start);

    const run = instance.exports[name];
    if (typeof run !== "function") {
        throw new Error(`no function export \`${name}\``);
    }
    let result;
    const call = () => {
        const start = hrtime.bigint();
        const value = run(n);
        const time = elapsed(start);
        if (result !== undefined && !Object.is(result, value)) {
            throw new Error(`the first call returned ${result}, a later one ${value}`);
        }
        result = value;
        return time;
    };
    const warmUpCalls = [];
    if (warmUp > 0) {
        const start = hrtime.bigint();
        do {
            warmUpCalls.push(call());
        } while (elapsed(start) < warmUp * 1e6);
    }
    const calls = Array.from({ length: repeat }, call);

    const samples = { compile_ns: [compile], instantiate_ns: [instantiate], call_ns: calls };
    if (warmUpCalls.length > 0) {
        samples.warm_up_ns = warmUpCalls;
    }
    return {
        engine,
        version: `${versions.node} (V8 ${versions.v8})`,
        measurement: "kernel",
        file,
        wasm_bytes: bytes.length,
        samples,
        result: result === undefined ? null : String(result),
    };
}

/** From the bytes to the result of one call. */
function firstResult(engine, file, name, n) {
    const bytes = readFileSync(file);
    const start = hrtime.bigint();
    const module = new WebAssembly.Module(bytes);
    const instance = new WebAssembly.Instance(module, { host: { add_one: (argument) => (argument + 1) | 0 } });
    const result = instance.exports[name](n);
    const time = elapsed(start);
    return {
        engine,
        version: `${versions.node} (V8 ${versions.v8})`,
        measurement: "first-result",
        file,
        wasm_bytes: bytes.length,
        samples: { first_result_ns: [time] },
        result: String(result),
    };
}

const { values, positionals } = parseArgs({
    args: argv.slice(2),
    allowPositionals: true,
    options: {
        repeat: { type: "string", default: "10" },
        "warm-up-ms": { type: "string", default: "0" },
    },
});
const [engine, measurement, file, name, n] = positionals;
if (positionals.length !== 5 || !["kernel", "first-result"].includes(measurement)) {
    stderr.write("usage: peer.mjs ENGINE kernel|first-result FILE EXPORT N [--repeat R] [--warm-up-ms MS]\n");
    exit(1);
}
const report =
    measurement === "kernel"
        ? kernel(engine, file, name, Number(n), Number(values.repeat), Number(values["warm-up-ms"]))
        : firstResult(engine, file, name, Number(n));
console.log(JSON.stringify(report));
