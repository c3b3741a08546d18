//! Truncated and damaged modules give a typed error or a valid module, never a panic.

use std::sync::atomic::{AtomicUsize, Ordering};

use upshift_module::{Entity, Features, Module, ModuleError, ModuleErrorKind, SegmentMode};

use wast::WastDirective;

use crate::lazy::validate_lazily;
use crate::suite::{Binary, each_directive, files, modules};

/// Calls `f` with each module of the suite, on as many threads as there are cores.
fn each_module(f: impl Fn(usize, &Binary) + Sync) {
    let modules = modules();
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(i) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&i| i < modules.len())
                {
                    f(i, &modules[i]);
                }
            });
        }
    });
}

/// Checks the text of an error about `bytes`, or that a module holds together.
fn check(origin: &str, bytes: &[u8]) -> Option<ModuleError> {
    let verdict = Module::validate(bytes, &Features::all());
    let section = verdict.as_ref().err().map(|error| error.section());
    // A mistake elsewhere has nothing to do with bodies.
    if section.is_none_or(|section| section == Some("code")) {
        let lazily = validate_lazily(bytes, &Features::all());
        assert_eq!(verdict, lazily, "{origin}: body by body");
    }
    match verdict {
        Ok(()) => {
            let module = Module::parse_binary(bytes, &Features::all())
                .unwrap_or_else(|error| panic!("{origin}: validated, but not parsed: {error}"));
            look_at_everything(&module);
            None
        }
        Err(error) => {
            let offset = error
                .offset()
                .unwrap_or_else(|| panic!("{origin}: {error}: where?"));
            assert!(
                offset <= bytes.len(),
                "{origin}: {error}: beyond {} bytes",
                bytes.len()
            );
            assert_ne!(error.kind(), ModuleErrorKind::Text, "{origin}: {error}");
            assert!(!error.message().is_empty(), "{origin}");
            Some(error)
        }
    }
}

/// Asks a module all that can be asked.
fn look_at_everything(module: &Module) {
    for import in &module.imports {
        assert!(!module.import_type(import).to_string().is_empty());
    }
    for export in &module.exports {
        assert_eq!(module.export(&export.name), Some(export));
        assert!(!module.export_type(export).to_string().is_empty());
    }
    assert_eq!(
        module.bodies.len() as u32,
        module.functions.len() as u32 - module.imported.functions
    );
    assert_eq!(
        module.global_inits.len() as u32,
        module.globals.len() as u32 - module.imported.globals
    );
    for (defined, body) in &module.bodies {
        assert_eq!(module.body_bytes(defined).len(), module.code_size(defined));
        let index = module.function_index(defined);
        assert_eq!(module.defined_function(index), Some(defined));
        assert_eq!(module.function_at(body.range.start), Some(index));
        assert_eq!(module.function_at(body.range.end - 1), Some(index));
    }
    for index in module.functions.keys() {
        let _ = module.function_name(index);
        let _ = module.entity_type(Entity::Func(index));
    }
    for segment in module.data.values() {
        assert_ne!(segment.mode, SegmentMode::Declared);
        let _ = module.data_bytes(segment);
    }
    for section in &module.custom_sections {
        assert!(module.custom_sections_named(&section.name).next().is_some());
    }
    let sizes: usize = module
        .sections
        .iter()
        .map(|section| section.range.len())
        .sum();
    assert!(sizes <= module.bytes.len());
}

#[test]
fn every_module_of_the_suite_is_valid() {
    assert!(
        modules().len() > 1000,
        "only {} modules found",
        modules().len()
    );
    each_module(|_, Binary { origin, bytes }| {
        if let Some(error) = check(origin, bytes) {
            panic!("{origin}: {error}");
        }
    });
}

#[test]
fn every_truncation_is_an_error_or_a_module() {
    let (cuts, valid) = (AtomicUsize::new(0), AtomicUsize::new(0));
    each_module(|_, Binary { origin, bytes }| {
        for length in 0..bytes.len() {
            let error = check(origin, &bytes[..length]);
            cuts.fetch_add(1, Ordering::Relaxed);
            valid.fetch_add(usize::from(error.is_none()), Ordering::Relaxed);
            if length < 8 {
                let kind = error.map(|error| error.kind());
                assert_eq!(
                    kind,
                    Some(ModuleErrorKind::Malformed),
                    "{origin} cut to {length}"
                );
            }
        }
    });
    let (cuts, valid) = (cuts.into_inner(), valid.into_inner());
    println!("{cuts} truncations, {valid} of them valid modules");
    // A cut between two sections often leaves a valid module, any other never does.
    assert!(valid > 0 && valid < cuts / 10, "{valid} of {cuts}");
}

/// The first module of each file as text, cut at each character.
#[test]
fn truncated_text_is_an_error_or_a_module() {
    let mut texts = Vec::new();
    for file in files() {
        let mut starts = Vec::new();
        each_directive(&file, |_, directive| {
            starts.push((
                directive.span().offset(),
                matches!(directive, WastDirective::Module(_)),
            ));
        });
        // A span begins after the parenthesis.
        if let [(start, true), (end, _), ..] = starts[..] {
            texts.push((file.name().to_owned(), &file.raw()[start - 1..end - 1]));
        }
    }
    assert!(texts.len() > 100, "only {} texts", texts.len());
    let (mut cuts, mut valid) = (0, 0);
    for (name, text) in &texts {
        for cut in (0..text.len().min(1500)).filter(|&cut| text.is_char_boundary(cut)) {
            cuts += 1;
            match Module::parse(&text.as_bytes()[..cut], &Features::all()) {
                Ok(_) => valid += 1,
                Err(error) => assert!(!error.to_string().is_empty(), "{name} cut to {cut}"),
            }
        }
    }
    println!("{cuts} truncated texts, {valid} of them valid modules");
    assert!(valid > 0 && valid < cuts, "{valid} of {cuts}");
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// `UPSHIFT_FLIPS` is the number of damaged copies of each module, or `all` for every bit of every byte.
#[test]
fn flipped_bytes_give_an_error_or_a_module() {
    let setting = std::env::var("UPSHIFT_FLIPS").unwrap_or_else(|_| "30".to_owned());
    let (flips, valid) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let try_one = |origin: &str, bytes: &[u8]| {
        flips.fetch_add(1, Ordering::Relaxed);
        valid.fetch_add(
            usize::from(check(origin, bytes).is_none()),
            Ordering::Relaxed,
        );
    };
    each_module(|i, Binary { origin, bytes }| {
        let mut damaged = bytes.clone();
        if setting == "all" {
            for bit in 0..bytes.len() * 8 {
                damaged[bit / 8] ^= 1 << (bit % 8);
                try_one(origin, &damaged);
                damaged[bit / 8] = bytes[bit / 8];
            }
            return;
        }
        let copies: usize = setting.parse().expect("UPSHIFT_FLIPS is a number or `all`");
        let mut random = Random(i as u64);
        for _ in 0..copies {
            damaged.copy_from_slice(bytes);
            for _ in 0..=random.below(3) {
                // The header stays: effects of damage to it are soon known.
                let Some(room) = bytes.len().checked_sub(8).filter(|&room| room > 0) else {
                    break;
                };
                damaged[8 + random.below(room)] ^= (1 + random.below(255)) as u8;
            }
            try_one(origin, &damaged);
        }
    });
    let (flips, valid) = (flips.into_inner(), valid.into_inner());
    println!("{flips} damaged modules, {valid} of them valid");
    assert!(valid > 0 && valid < flips, "{valid} of {flips}");
}
