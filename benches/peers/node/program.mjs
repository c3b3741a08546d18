// `node program.mjs FILE [--dir HOST::GUEST]... [--env KEY=VALUE]... -- ARGS...`: runs a WASI program from its file to its
// exit, by the WASI that node has.

import { readFileSync } from "node:fs";
import { argv, exit } from "node:process";
import { parseArgs } from "node:util";
import { WASI } from "node:wasi";

const separator = argv.indexOf("--");
const ours = separator < 0 ? argv.slice(2) : argv.slice(2, separator);
const theirs = separator < 0 ? [] : argv.slice(separator + 1);
const { values, positionals } = parseArgs({
    args: ours,
    allowPositionals: true,
    options: {
        dir: { type: "string", multiple: true, default: [] },
        env: { type: "string", multiple: true, default: [] },
    },
});
const [file] = positionals;

/** The two parts of a text. */
const pair = (text, between) => {
    const at = text.indexOf(between);
    return [text.slice(0, at), text.slice(at + between.length)];
};

const wasi = new WASI({
    version: "preview1",
    args: [file, ...theirs],
    env: Object.fromEntries(values.env.map((text) => pair(text, "="))),
    preopens: Object.fromEntries(values.dir.map((text) => pair(text, "::").reverse())),
    returnOnExit: true,
});
const module = new WebAssembly.Module(readFileSync(file));
exit(wasi.start(new WebAssembly.Instance(module, wasi.getImportObject())));
