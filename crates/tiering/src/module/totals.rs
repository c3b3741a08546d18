//! Statistics: nothing is kept for them alone but times and sizes of compiles. Calls are counted by instances, and
//! added by their readers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ModuleTiering;
use super::function::AheadStage;
use super::loops::LoopEntry;
use crate::progress::Stage;
use crate::rung::Rung;
use crate::{CallSiteStats, FunctionStats, FunctionTier, TierStats, TierTotals};

impl ModuleTiering {
    /// Sums of all compiles so far.
    #[must_use]
    pub fn stats(&self) -> TierStats {
        let all = self.unit.code.all();
        let mut stats = TierStats {
            osr_entries: all.iter().filter(|code| code.loop_entry.is_some()).count(),
            code_bytes: all.iter().map(|code| code.len).sum(),
            ..TierStats::default()
        };
        for function in self.function_stats() {
            match function.tier {
                FunctionTier::NotCompiled => stats.functions.not_compiled += 1,
                FunctionTier::Baseline => stats.functions.baseline += 1,
                FunctionTier::Middle => stats.functions.middle += 1,
                FunctionTier::Optimizing => stats.functions.optimizing += 1,
            }
            if let Some(called) = function.compiled_ahead {
                stats.ahead.compiled += 1;
                stats.ahead.called += usize::from(called);
                stats.ahead.compile_time += function.baseline.compile_time;
            }
            stats.work += function.work;
            stats.osr_entered += function.osr_entered;
            sum(&mut stats.baseline, &function.baseline);
            sum(&mut stats.middle, &function.middle);
            sum(&mut stats.optimizing, &function.optimizing);
        }
        for state in self.functions.values() {
            let loops = state
                .existing_detail()
                .map_or_else(Vec::new, |detail| detail.loops.all());
            for rung in Rung::ALL {
                stats.pending += usize::from(state.better[rung].stage().is_under_way());
                let under_way = |entry: &&Arc<LoopEntry>| entry.stage(rung).is_under_way();
                stats.pending += loops.iter().filter(under_way).count();
            }
        }
        let of_baseline = |code: &&_| is_function_of(code, self.baseline_name);
        stats.compiled_functions = all.iter().map(|code| &**code).filter(of_baseline).count();
        let above = stats.middle.compile_time + stats.optimizing.compile_time;
        stats.compile_time = stats.baseline.compile_time + above;
        stats
    }

    /// Samples so far of calls through tables, in the order of the module's bytes.
    pub fn call_site_stats(&self) -> Vec<CallSiteStats> {
        let sites = self.unit.calls.all().into_iter();
        sites
            .map(|call| CallSiteStats {
                function: self.index(call.function).as_u32(),
                offset: call.offset.as_u32(),
                samples: call.samples.total,
                targets: (call.samples.targets.iter())
                    .map(|target| (target.function.as_u32(), target.count))
                    .collect(),
            })
            .collect()
    }

    /// Compiles so far of each function that the module defines.
    pub fn function_stats(&self) -> impl ExactSizeIterator<Item = FunctionStats> {
        let functions = self.functions.iter();
        functions.map(|(function, state)| {
            let work = state.work.load(Ordering::Relaxed);
            let mut stats = FunctionStats {
                function: self.index(function).as_u32(),
                tier: state.tier(),
                work,
                compiled_ahead: (state.ahead.get() == AheadStage::Compiled).then_some(work > 0),
                ..FunctionStats::default()
            };
            if let Some(detail) = state.existing_detail() {
                let totals = detail.totals.lock();
                stats.baseline = totals.baseline;
                stats.middle = totals.better.middle;
                stats.optimizing = totals.better.optimizing;
                for entry in detail.loops.all() {
                    let is_ready = |&rung: &Rung| entry.stage(rung) == Stage::Ready;
                    stats.osr_entries += Rung::ALL.iter().copied().filter(is_ready).count();
                    stats.osr_entered += Rung::ALL
                        .map(|rung| entry.entered(rung))
                        .iter()
                        .sum::<u64>();
                }
            }
            stats
        })
    }
}

fn is_function_of(code: &upshift_runtime::InstalledCode, tier: &str) -> bool {
    code.tier == tier && code.loop_entry.is_none()
}

fn sum(total: &mut TierTotals, part: &TierTotals) {
    total.compiled += part.compiled;
    total.failed += part.failed;
    total.compile_time += part.compile_time;
    total.code_bytes += part.code_bytes;
}
