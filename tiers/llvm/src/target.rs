//! The processor that code is made for.

use inkwell::OptimizationLevel;
use inkwell::targets::{
    CodeModel, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple,
};
use std::ops::Deref;
use std::sync::Once;

use upshift_runtime::sync::{Mutex, MutexGuard};

/// A processor in LLVM's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Processor {
    pub cpu: String,
    pub features: String,
    /// The processor for whose timing code is arranged.
    pub tune: String,
}

/// The features of every processor that this tier runs on (x86-64-v2).
const GENERIC: &str = "x86-64-v2";

/// Gathering lanes from memory one by one is not worth a vector: a product of matrices took twice as long
/// with it as without.
const NO_GATHER: &str = ",+prefer-no-gather,+prefer-no-scatter";

/// The additions of AVX-512 to vectors of 256 bits made SHA-256 1.6 times slower (rotations of lanes tempt LLVM
/// to move scalars to vectors and back), and Levenshtein 1.2 times. Explicit SIMD gains 1.4 times, so units with
/// operators on vectors have it.
const NO_AVX512: &str = ",-avx512f";

/// Intel's processors from Alder Lake and Sapphire Rapids on, and a feature that earlier ones lack. A virtual
/// machine hides some features that LLVM tells them apart by: it takes a Sapphire Rapids for a Rocket Lake, for which it makes a
/// bytecode interpreter 1.33 times slower.
const GOLDEN_COVE: (&str, &str) = ("alderlake", "+avxvnni,");

impl Processor {
    /// The name that stands for this machine's.
    pub const NATIVE: &str = "native";

    /// By LLVM's name; `native` is this machine's, `generic` the common part of all of ours.
    ///
    /// Without `avx512`, that is left alone on this machine even where it has it.
    pub fn named(name: &str, avx512: bool) -> Self {
        match name {
            Self::NATIVE => {
                let mut features = TargetMachine::get_host_cpu_features().to_string();
                let cpu = TargetMachine::get_host_cpu_name().to_string();
                let tune = match GOLDEN_COVE {
                    (name, feature) if cpu == "rocketlake" && features.contains(feature) => name,
                    _ => &cpu,
                };
                let tune = tune.to_owned();
                features.push_str(NO_GATHER);
                if !avx512 {
                    features.push_str(NO_AVX512);
                }
                Self {
                    cpu,
                    features,
                    tune,
                }
            }
            "generic" => Self {
                cpu: GENERIC.to_owned(),
                features: String::new(),
                tune: GENERIC.to_owned(),
            },
            cpu => Self {
                cpu: cpu.to_owned(),
                features: String::new(),
                tune: cpu.to_owned(),
            },
        }
    }
}

/// The triple of this process, once LLVM knows its target.
pub(crate) fn triple() -> TargetTriple {
    static INITIALIZE: Once = Once::new();
    INITIALIZE.call_once(|| Target::initialize_x86(&InitializationConfig::default()));
    TargetMachine::get_default_triple()
}

/// Target machines that no compile uses at the moment: making one takes longer than a small function does.
/// They belong to no thread, because the end of a thread may come while the process ends, when LLVM can't
/// dispose of anything any more.
static IDLE: Mutex<Vec<(Processor, Idle)>> = Mutex::new(Vec::new());

struct Idle(TargetMachine);

// SAFETY: a target machine is data without ties to a thread; a thread that takes it out of `IDLE` has it alone.
unsafe impl Send for Idle {}

/// A target machine, lent until this is dropped.
pub(crate) struct Machine {
    processor: Processor,
    machine: Option<Idle>,
}

impl Deref for Machine {
    type Target = TargetMachine;

    fn deref(&self) -> &TargetMachine {
        let machine = self.machine.as_ref();
        &machine.expect("taken out when dropped only").0
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(machine) = self.machine.take() {
            let processor = self.processor.clone();
            idle_machines().push((processor, machine));
        }
    }
}

fn idle_machines() -> MutexGuard<'static, Vec<(Processor, Idle)>> {
    IDLE.lock()
}

/// A target machine for a processor.
///
/// # Errors
/// LLVM's objection to the triple.
pub(crate) fn machine(processor: &Processor) -> Result<Machine, String> {
    let mut idle = idle_machines();
    let found = idle.iter().position(|(of, _)| of == processor);
    let found = found.map(|place| idle.swap_remove(place).1);
    drop(idle);
    let machine = match found {
        Some(machine) => machine,
        None => Idle(create(processor)?),
    };
    Ok(Machine {
        processor: processor.clone(),
        machine: Some(machine),
    })
}

fn create(processor: &Processor) -> Result<TargetMachine, String> {
    let triple = triple();
    let target = Target::from_triple(&triple).map_err(|error| error.to_string())?;
    target
        .create_target_machine(
            &triple,
            &processor.cpu,
            &processor.features,
            OptimizationLevel::Aggressive,
            // Nothing in the code depends on where it is, and all of it is within 2 GiB.
            RelocMode::PIC,
            CodeModel::Small,
        )
        .ok_or_else(|| format!("LLVM makes no code for {triple:?}"))
}
