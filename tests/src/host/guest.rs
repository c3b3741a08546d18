//! The guest, and in Rust what it computes.

use upshift::{AsContextMut, Instance, Result, TypedFunc};

/// What imports the host, and does everything that a guest can do for long or do wrong.
pub(super) const TEXT: &str = r#"(module
  (type $step (func (param i32) (result i32)))
  (import "host" "visit" (func $visit (type $step)))
  (memory 64)
  (table $steps 4 funcref)
  (elem (table $steps) (i32.const 0) func $mix $other $pair)
  (table $many 100000 funcref)
  (elem declare func $mix)
  (func $mix (type $step)
    (i32.xor (i32.mul (local.get 0) (i32.const 0x9e3779b1))
             (i32.shr_u (local.get 0) (i32.const 15))))
  (func $other (type $step)
    (i32.add (i32.rotl (local.get 0) (i32.const 7)) (i32.const 12345)))
  (func $pair (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))

  ;; Calls the host in the middle of its work, with values of every kind alive.
  (func (export "relay") (param $x i32) (result i32) (local $root f64) (local $lanes v128)
    (local.set $root (f64.sqrt (f64.convert_i32_u (local.get $x))))
    (local.set $lanes (i32x4.mul (i32x4.splat (local.get $x)) (v128.const i32x4 1 3 5 7)))
    (local.set $x (i32.xor (call $other (call $visit (call $mix (local.get $x)))) (local.get $x)))
    (i32.xor (i32.xor (local.get $x) (i32.trunc_f64_u (local.get $root)))
             (i32x4.extract_lane 3 (local.get $lanes))))

  (func (export "sum") (param $n i32) (result i32) (local $sum i32)
    (if (local.get $n) (then
      (loop $next
        (local.set $sum (call $mix (i32.add (local.get $sum) (local.get $n))))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (local.get $sum))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "indirect") (param $n i32) (result i32) (local $value i32)
    (if (local.get $n) (then
      (loop $next
        (local.set $value (call_indirect $steps (type $step) (i32.xor (local.get $value) (local.get $n))
                                         (i32.and (local.get $n) (i32.const 1))))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (local.get $value))
  ;; Three megabytes, and a hundred thousand elements.
  (func (export "bulk") (param $n i32) (result i32)
    (memory.fill (i32.const 0) (local.get $n) (i32.const 0x180000))
    (memory.copy (i32.const 0x180001) (i32.const 1) (i32.const 0x17fff0))
    (table.fill $many (i32.const 0) (ref.func $mix) (i32.const 100000))
    (table.fill $many (i32.const 1) (ref.null func) (i32.const 99999))
    (i32.add (i32.load (i32.const 0x200003))
             (ref.is_null (table.get $many (i32.const 99999)))))

  (func (export "spin") (param i32) (result i32)
    (loop $forever
      (i32.store (i32.const 0x3f0000) (i32.add (i32.load (i32.const 0x3f0000)) (i32.const 1)))
      (br $forever))
    (unreachable))
  (func (export "spin_in_calls") (param i32) (result i32)
    (loop $forever
      (drop (call_indirect $steps (type $step) (call $fib (i32.const 5)) (i32.const 0)))
      (br $forever))
    (unreachable))
  (func (export "spin_in_bulk") (param i32) (result i32)
    (loop $forever
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x200000))
      (br $forever))
    (unreachable))

  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))
  (func (export "bounds") (param i32) (result i32)
    (i32.load offset=0x400000 (i32.shr_u (local.get 0) (i32.const 1))))
  (func (export "bounds_in_bulk") (param i32) (result i32)
    (memory.fill (i32.const 0x3f0000) (local.get 0) (i32.const 0x10001))
    (i32.const 0))
  (func (export "divide") (param i32) (result i32)
    (i32.div_s (local.get 0) (i32.xor (local.get 0) (local.get 0))))
  (func (export "overflow") (param i32) (result i32)
    (i32.div_s (i32.or (i32.const 0x80000000) (i32.shl (local.get 0) (i32.const 31)))
               (i32.or (i32.const -1) (local.get 0))))
  (func (export "unreachable") (param i32) (result i32) (unreachable))
  (func (export "no_element") (param i32) (result i32)
    (call_indirect $steps (type $step) (local.get 0) (i32.const 4)))
  (func (export "null_element") (param i32) (result i32)
    (call_indirect $steps (type $step) (local.get 0) (i32.const 3)))
  (func (export "wrong_type") (param i32) (result i32)
    (call_indirect $steps (type $step) (local.get 0) (i32.const 2))))"#;

/// How all exports are called.
pub(super) type Export = TypedFunc<i32, i32>;

/// Calls an export by its name.
pub(super) fn call(
    mut store: impl AsContextMut,
    instance: Instance,
    name: &str,
    argument: u32,
) -> Result<u32> {
    let export: Export = instance.get_typed_func(&mut store, name)?;
    let result = export.call(&mut store, argument.cast_signed())?;
    Ok(result.cast_unsigned())
}

fn mix(x: u32) -> u32 {
    x.wrapping_mul(0x9e37_79b1) ^ (x >> 15)
}

fn other(x: u32) -> u32 {
    x.rotate_left(7).wrapping_add(12345)
}

/// What `relay` gives for `x` if the host gives what `visit` gives.
pub(super) fn relay(x: u32, visit: impl FnOnce(u32) -> u32) -> u32 {
    // In range: the root of 32 bits has 16.
    let root = f64::from(x).sqrt() as u32;
    other(visit(mix(x))) ^ x ^ root ^ x.wrapping_mul(7)
}

/// An export that ends with a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Computation {
    /// The export.
    pub(super) name: &'static str,
    /// What it computes.
    pub(super) gives: fn(u32) -> u32,
    /// Arguments are below this, mostly.
    pub(super) below: usize,
    /// Now and then they are below this.
    pub(super) seldom_below: usize,
}

/// Those that there are.
pub(super) const COMPUTATIONS: [Computation; 4] = [
    Computation {
        name: "sum",
        gives: |n| {
            (1..=n)
                .rev()
                .fold(0, |sum: u32, n| mix(sum.wrapping_add(n)))
        },
        below: 300,
        seldom_below: 200_000,
    },
    Computation {
        name: "fib",
        gives: |n| (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0,
        below: 12,
        seldom_below: 22,
    },
    Computation {
        name: "indirect",
        gives: |n| {
            (1..=n).rev().fold(0, |value, n| {
                let step = if n & 1 == 0 { mix } else { other };
                step(value ^ n)
            })
        },
        below: 300,
        seldom_below: 200_000,
    },
    Computation {
        name: "bulk",
        gives: |n| (n & 0xff) * 0x0101_0101 + 1,
        below: 200,
        seldom_below: 200,
    },
];
