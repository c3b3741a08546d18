//! Shapes of values: calls, locals, operands, long blocks, accesses to memory.

use wasm_encoder::ValType;

use super::encoder::{Build, TYPE_OF_F, WIDE, at, number, one};

fn calls_of(size: u32, types: &[ValType]) -> Vec<u8> {
    let mut build = Build::new();
    let wide = build.ty(types.to_vec(), types.to_vec());
    build.function(TYPE_OF_F, &[], |code| {
        for &ty in types {
            match ty {
                ValType::V128 => code.v128_const(1),
                _ => code.i32_const(1),
            };
        }
        for _ in 0..size {
            code.call(1);
        }
        for _ in types {
            code.drop();
        }
        code.local_get(0);
    });
    build.function(wide, &[], |code| {
        for local in 0..types.len() {
            code.local_get(local as u32);
        }
    });
    build.finish()
}

/// Calls of a function of a thousand parameters and as many results.
pub(super) fn wide_calls(size: u32) -> Vec<u8> {
    calls_of(size, &[ValType::I32; WIDE])
}

/// The same, every other one a vector.
pub(super) fn wide_mixed_calls(size: u32) -> Vec<u8> {
    let types: Vec<_> = [ValType::I32, ValType::V128]
        .into_iter()
        .cycle()
        .take(WIDE)
        .collect();
    calls_of(size, &types)
}

pub(super) fn calls(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    build.function(TYPE_OF_F, &[], |code| {
        for _ in 0..size {
            code.local_get(0).call(1).local_set(0);
        }
        code.local_get(0);
    });
    build.function(TYPE_OF_F, &[], |code| {
        code.local_get(0).i32_const(3).i32_add();
    });
    build.finish()
}

pub(super) fn indirect_calls(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    build.table = Some(1);
    build.function(TYPE_OF_F, &[], |code| {
        for _ in 0..size {
            code.local_get(0).i32_const(0);
            code.call_indirect(0, TYPE_OF_F).local_set(0);
        }
        code.local_get(0);
    });
    build.function(TYPE_OF_F, &[], |code| {
        code.local_get(0).i32_const(3).i32_add();
    });
    build.finish()
}

pub(super) fn many_functions(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    for _ in 0..size {
        build.function(TYPE_OF_F, &[], |code| {
            code.local_get(0).i32_const(1).i32_add();
        });
    }
    build.finish()
}

/// Functions of a few bytes that declare thousands of locals each, and use one.
pub(super) fn many_functions_with_locals(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    for _ in 0..size {
        build.function(TYPE_OF_F, &[(4_000, ValType::I64)], |code| {
            code.local_get(1).i32_wrap_i64().local_get(0).i32_add();
        });
    }
    build.finish()
}

pub(super) fn locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::I32)], |code| {
        for local in 0..size {
            code.local_get(local).i32_const(number(local)).i32_add();
            code.local_set(local + 1);
        }
        code.local_get(0);
        for local in 1..=size {
            code.local_get(local).i32_add();
        }
    })
}

pub(super) fn idle_locals(size: u32) -> Vec<u8> {
    one(&[(size, ValType::V128)], |code| {
        code.local_get(0);
    })
}

pub(super) fn deep_stack(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.local_get(0);
        }
        for _ in 1..size {
            code.i32_add();
        }
    })
}

/// Constants that stay on the stack while an operator that wants a register of its own comes again and again.
pub(super) fn deep_stack_of_shifts(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for _ in 0..size {
            code.i32_const(5).local_get(0).local_get(0).i32_shl();
        }
        for _ in 1..2 * size {
            code.i32_add();
        }
    })
}

pub(super) fn one_block(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size / 4 {
            code.local_get(0).i32_const(number(step | 1));
            if step % 3 == 0 {
                code.i32_xor();
            } else {
                code.i32_mul();
            }
            code.local_set(0);
        }
        code.local_get(0);
    })
}

pub(super) fn selects(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            code.local_get(0).i32_const(number(step)).local_get(0);
            code.i32_const(number(step & 31)).i32_shr_s().select();
            code.local_set(0);
        }
        code.local_get(0);
    })
}

pub(super) fn divisions(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            code.local_get(0).i32_const(number(step + 2)).i32_div_u();
            code.i32_const(number(step)).i32_add().local_set(0);
        }
        code.local_get(0);
    })
}

pub(super) fn stores(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            code.local_get(0).local_get(0).i32_const(number(step));
            code.i32_add();
            code.i32_store(at(4 * u64::from(step % 16_000)));
        }
        code.local_get(0);
    })
}

/// Zeros down the diagonal of a matrix.
pub(super) fn strided_stores(size: u32) -> Vec<u8> {
    const STRIDE: u64 = 20_004;
    let mut build = Build::new();
    build.memory_pages = u64::from(size) * STRIDE / 65_536 + 2;
    build.function(TYPE_OF_F, &[], |code| {
        for step in 0..size {
            code.local_get(0).i32_const(0);
            code.i32_store(at(STRIDE * u64::from(step)));
        }
        code.local_get(0);
    });
    build.finish()
}

/// Vectors that are all loaded before the first of them is used, between two calls.
pub(super) fn vector_loads(size: u32) -> Vec<u8> {
    let mut build = Build::new();
    build.memory_pages = 16;
    build.function(TYPE_OF_F, &[(1, ValType::V128)], |code| {
        code.local_get(0).call(1).drop();
        for step in 0..size {
            code.local_get(0).v128_load(at(16 * u64::from(step)));
        }
        code.local_get(0).call(1).drop().local_set(1);
        for _ in 1..size {
            code.local_get(1).v128_xor().local_set(1);
        }
        code.local_get(1).i32x4_extract_lane(1);
    });
    build.function(TYPE_OF_F, &[], |code| {
        code.local_get(0).memory_grow(0);
    });
    build.finish()
}

/// Numbers that are loaded from here and there, and all united at the end.
pub(super) fn scattered_loads(size: u32) -> Vec<u8> {
    one(&[], |code| {
        for step in 0..size {
            let place = u64::from(step) * 7919 % 16_000;
            code.local_get(0).i32_load(at(4 * place));
        }
        for _ in 1..size {
            code.i32_xor();
        }
    })
}

pub(super) fn vector_constants(size: u32) -> Vec<u8> {
    one(&[(1, ValType::V128)], |code| {
        for step in 0..size {
            code.local_get(1).v128_const(i128::from(step) << 64 | 7);
            code.i32x4_add().local_set(1);
        }
        code.local_get(1).i32x4_extract_lane(2);
    })
}
