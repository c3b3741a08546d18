;; Calls four functions in turn through a table: what call_indirect costs when the branch is predictable but not constant.
;; The table can grow and is exported, so that no engine may take it for a constant one.
(module
  (type $unary (func (param i32) (result i32)))
  (table (export "table") 4 8 funcref)
  (elem (i32.const 0) $add $sub $xor $rotate)
  (func $add (param $x i32) (result i32) (i32.add (local.get $x) (i32.const 3)))
  (func $sub (param $x i32) (result i32) (i32.sub (local.get $x) (i32.const 1)))
  (func $xor (param $x i32) (result i32) (i32.xor (local.get $x) (i32.const 21)))
  (func $rotate (param $x i32) (result i32) (i32.rotl (local.get $x) (i32.const 5)))
  (func (export "loop") (param $n i32) (result i32)
    (local $value i32)
    (loop $again
      (local.set $value
        (call_indirect (type $unary) (local.get $value) (i32.and (local.get $n) (i32.const 3))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $value)))
