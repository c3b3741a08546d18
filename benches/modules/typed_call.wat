;; A function with next to nothing in it: what a call into wasm costs.
(module
  (func (export "add_one") (param $x i32) (result i32)
    (i32.add (local.get $x) (i32.const 1))))
