//! `write-large-module OUT FUNCTIONS [SEED]`: writes the generated large module to a file, so that all engines of a
//! comparison read the same bytes.

use std::{env, fs};

use anyhow::{Context, Result, bail};
use upshift_benches::large_module;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (out, functions, seed) = match arguments.as_slice() {
        [out, functions] => (out, functions, "1"),
        [out, functions, seed] => (out, functions, seed.as_str()),
        _ => bail!("usage: write-large-module OUT FUNCTIONS [SEED]"),
    };
    let functions = functions
        .parse()
        .with_context(|| format!("`{functions}` is not a number of functions"))?;
    let seed = seed
        .parse()
        .with_context(|| format!("`{seed}` is not a seed"))?;
    let module = large_module(functions, seed);
    fs::write(out, &module).with_context(|| format!("writing {out}"))?;
    println!("{out}: {functions} functions, {} bytes", module.len());
    Ok(())
}
