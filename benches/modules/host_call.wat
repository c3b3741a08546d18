;; Calls the host n times, each call depending on the result of the one before: what a call out of wasm costs.
(module
  (import "host" "add_one" (func $add_one (param i32) (result i32)))
  (func (export "loop") (param $n i32) (result i32)
    (local $value i32)
    (loop $again
      (local.set $value (call $add_one (local.get $value)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $value)))
