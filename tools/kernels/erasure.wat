;; The erasure kernel: sums of shards over GF(2^8), polynomial 0x11d, 64 bytes of every shard at a time.
;; It allocates nothing, checks nothing and knows no code: src/erasure lays out the memory and says what to sum.
;;
;; A list is `count` entries of 8 bytes: the address of a shard, then a coefficient. `bytes` is a multiple of 64.
;; Every loop first reads a 64-byte column of all its inputs and then stores, so an output may be one of the inputs.
(module
  (import "env" "memory" (memory 1))

  ;; 2 * q in every byte: shift left, and fold the bit that fell out back in as 0x1d.
  ;; `lt_s` with zero is one compare instruction on x86, where an arithmetic shift of bytes would be several.

  ;; P = sum of shards + pIn,  Q = Horner in 2 over the shards + qIn. Each byte is read once for both.
  ;; An address of 0 is a shard of zeros in the list, nothing to add for pIn and qIn, "do not store" for pOut and qOut.
  (func (export "pq") (param $list i32) (param $count i32) (param $pIn i32) (param $qIn i32)
    (param $pOut i32) (param $qOut i32) (param $bytes i32)
    (local $offset i32) (local $entry i32) (local $end i32) (local $at i32)
    (local $zero v128) (local $fold v128) (local $d v128)
    (local $p0 v128) (local $p1 v128) (local $p2 v128) (local $p3 v128)
    (local $q0 v128) (local $q1 v128) (local $q2 v128) (local $q3 v128)
    (local.set $fold (i8x16.splat (i32.const 0x1d)))
    (local.set $end (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 3))))
    (block $done (loop $column
      (br_if $done (i32.ge_u (local.get $offset) (local.get $bytes)))
      (local.set $p0 (local.get $zero)) (local.set $p1 (local.get $zero))
      (local.set $p2 (local.get $zero)) (local.set $p3 (local.get $zero))
      (local.set $q0 (local.get $zero)) (local.set $q1 (local.get $zero))
      (local.set $q2 (local.get $zero)) (local.set $q3 (local.get $zero))
      (local.set $entry (local.get $list))
      (loop $shard
        (local.set $q0 (v128.xor (i8x16.add (local.get $q0) (local.get $q0))
          (v128.and (i8x16.lt_s (local.get $q0) (local.get $zero)) (local.get $fold))))
        (local.set $q1 (v128.xor (i8x16.add (local.get $q1) (local.get $q1))
          (v128.and (i8x16.lt_s (local.get $q1) (local.get $zero)) (local.get $fold))))
        (local.set $q2 (v128.xor (i8x16.add (local.get $q2) (local.get $q2))
          (v128.and (i8x16.lt_s (local.get $q2) (local.get $zero)) (local.get $fold))))
        (local.set $q3 (v128.xor (i8x16.add (local.get $q3) (local.get $q3))
          (v128.and (i8x16.lt_s (local.get $q3) (local.get $zero)) (local.get $fold))))
        (local.set $at (i32.load (local.get $entry)))
        (if (local.get $at) (then
          (local.set $at (i32.add (local.get $at) (local.get $offset)))
          (local.set $d (v128.load (local.get $at)))
          (local.set $p0 (v128.xor (local.get $p0) (local.get $d)))
          (local.set $q0 (v128.xor (local.get $q0) (local.get $d)))
          (local.set $d (v128.load offset=16 (local.get $at)))
          (local.set $p1 (v128.xor (local.get $p1) (local.get $d)))
          (local.set $q1 (v128.xor (local.get $q1) (local.get $d)))
          (local.set $d (v128.load offset=32 (local.get $at)))
          (local.set $p2 (v128.xor (local.get $p2) (local.get $d)))
          (local.set $q2 (v128.xor (local.get $q2) (local.get $d)))
          (local.set $d (v128.load offset=48 (local.get $at)))
          (local.set $p3 (v128.xor (local.get $p3) (local.get $d)))
          (local.set $q3 (v128.xor (local.get $q3) (local.get $d)))))
        (br_if $shard (i32.lt_u (local.tee $entry (i32.add (local.get $entry) (i32.const 8))) (local.get $end))))
      (if (local.get $pIn) (then
        (local.set $at (i32.add (local.get $pIn) (local.get $offset)))
        (local.set $p0 (v128.xor (local.get $p0) (v128.load (local.get $at))))
        (local.set $p1 (v128.xor (local.get $p1) (v128.load offset=16 (local.get $at))))
        (local.set $p2 (v128.xor (local.get $p2) (v128.load offset=32 (local.get $at))))
        (local.set $p3 (v128.xor (local.get $p3) (v128.load offset=48 (local.get $at))))))
      (if (local.get $qIn) (then
        (local.set $at (i32.add (local.get $qIn) (local.get $offset)))
        (local.set $q0 (v128.xor (local.get $q0) (v128.load (local.get $at))))
        (local.set $q1 (v128.xor (local.get $q1) (v128.load offset=16 (local.get $at))))
        (local.set $q2 (v128.xor (local.get $q2) (v128.load offset=32 (local.get $at))))
        (local.set $q3 (v128.xor (local.get $q3) (v128.load offset=48 (local.get $at))))))
      (if (local.get $pOut) (then
        (local.set $at (i32.add (local.get $pOut) (local.get $offset)))
        (v128.store (local.get $at) (local.get $p0))
        (v128.store offset=16 (local.get $at) (local.get $p1))
        (v128.store offset=32 (local.get $at) (local.get $p2))
        (v128.store offset=48 (local.get $at) (local.get $p3))))
      (if (local.get $qOut) (then
        (local.set $at (i32.add (local.get $qOut) (local.get $offset)))
        (v128.store (local.get $at) (local.get $q0))
        (v128.store offset=16 (local.get $at) (local.get $q1))
        (v128.store offset=32 (local.get $at) (local.get $q2))
        (v128.store offset=48 (local.get $at) (local.get $q3))))
      (local.set $offset (i32.add (local.get $offset) (i32.const 64)))
      (br $column))))

  ;; out = sum of the shards of the list, whose coefficients are not looked at.
  (func (export "xor") (param $list i32) (param $count i32) (param $out i32) (param $bytes i32)
    (local $offset i32) (local $entry i32) (local $end i32) (local $at i32) (local $zero v128)
    (local $p0 v128) (local $p1 v128) (local $p2 v128) (local $p3 v128)
    (local.set $end (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 3))))
    (block $done (loop $column
      (br_if $done (i32.ge_u (local.get $offset) (local.get $bytes)))
      (local.set $p0 (local.get $zero)) (local.set $p1 (local.get $zero))
      (local.set $p2 (local.get $zero)) (local.set $p3 (local.get $zero))
      (local.set $entry (local.get $list))
      (block $listEnd (loop $shard
        (br_if $listEnd (i32.ge_u (local.get $entry) (local.get $end)))
        (local.set $at (i32.add (i32.load (local.get $entry)) (local.get $offset)))
        (local.set $p0 (v128.xor (local.get $p0) (v128.load (local.get $at))))
        (local.set $p1 (v128.xor (local.get $p1) (v128.load offset=16 (local.get $at))))
        (local.set $p2 (v128.xor (local.get $p2) (v128.load offset=32 (local.get $at))))
        (local.set $p3 (v128.xor (local.get $p3) (v128.load offset=48 (local.get $at))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 8)))
        (br $shard)))
      (local.set $at (i32.add (local.get $out) (local.get $offset)))
      (v128.store (local.get $at) (local.get $p0))
      (v128.store offset=16 (local.get $at) (local.get $p1))
      (v128.store offset=32 (local.get $at) (local.get $p2))
      (v128.store offset=48 (local.get $at) (local.get $p3))
      (local.set $offset (i32.add (local.get $offset) (i32.const 64)))
      (br $column))))

  ;; out = sum of coefficient * shard over the list; `tables` holds 32 bytes for each of the 256 coefficients.
  ;; A product is two look-ups of 16 bytes at once: the table of c holds c*0 .. c*15, then c*0x00, c*0x10 .. c*0xf0.
  (func (export "combine") (param $list i32) (param $count i32) (param $tables i32)
    (param $out i32) (param $bytes i32)
    (local $offset i32) (local $entry i32) (local $end i32) (local $at i32) (local $table i32)
    (local $zero v128) (local $low v128) (local $high v128) (local $d v128) (local $mask v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local.set $mask (i8x16.splat (i32.const 15)))
    (local.set $end (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 3))))
    (block $done (loop $column
      (br_if $done (i32.ge_u (local.get $offset) (local.get $bytes)))
      (local.set $s0 (local.get $zero)) (local.set $s1 (local.get $zero))
      (local.set $s2 (local.get $zero)) (local.set $s3 (local.get $zero))
      (local.set $entry (local.get $list))
      (block $listEnd (loop $shard
        (br_if $listEnd (i32.ge_u (local.get $entry) (local.get $end)))
        (local.set $at (i32.add (i32.load (local.get $entry)) (local.get $offset)))
        (local.set $table (i32.add (local.get $tables)
          (i32.shl (i32.load offset=4 (local.get $entry)) (i32.const 5))))
        (local.set $low (v128.load (local.get $table)))
        (local.set $high (v128.load offset=16 (local.get $table)))
        (local.set $d (v128.load (local.get $at)))
        (local.set $s0 (v128.xor (local.get $s0) (v128.xor
          (i8x16.swizzle (local.get $low) (v128.and (local.get $d) (local.get $mask)))
          (i8x16.swizzle (local.get $high)
            (v128.and (i16x8.shr_u (local.get $d) (i32.const 4)) (local.get $mask))))))
        (local.set $d (v128.load offset=16 (local.get $at)))
        (local.set $s1 (v128.xor (local.get $s1) (v128.xor
          (i8x16.swizzle (local.get $low) (v128.and (local.get $d) (local.get $mask)))
          (i8x16.swizzle (local.get $high)
            (v128.and (i16x8.shr_u (local.get $d) (i32.const 4)) (local.get $mask))))))
        (local.set $d (v128.load offset=32 (local.get $at)))
        (local.set $s2 (v128.xor (local.get $s2) (v128.xor
          (i8x16.swizzle (local.get $low) (v128.and (local.get $d) (local.get $mask)))
          (i8x16.swizzle (local.get $high)
            (v128.and (i16x8.shr_u (local.get $d) (i32.const 4)) (local.get $mask))))))
        (local.set $d (v128.load offset=48 (local.get $at)))
        (local.set $s3 (v128.xor (local.get $s3) (v128.xor
          (i8x16.swizzle (local.get $low) (v128.and (local.get $d) (local.get $mask)))
          (i8x16.swizzle (local.get $high)
            (v128.and (i16x8.shr_u (local.get $d) (i32.const 4)) (local.get $mask))))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 8)))
        (br $shard)))
      (local.set $at (i32.add (local.get $out) (local.get $offset)))
      (v128.store (local.get $at) (local.get $s0))
      (v128.store offset=16 (local.get $at) (local.get $s1))
      (v128.store offset=32 (local.get $at) (local.get $s2))
      (v128.store offset=48 (local.get $at) (local.get $s3))
      (local.set $offset (i32.add (local.get $offset) (i32.const 64)))
      (br $column))))

  ;; 1 when all bytes are zero, else 0.
  (func (export "isZero") (param $at i32) (param $bytes i32) (result i32)
    (local $end i32) (local $seen v128)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (block $done (loop $column
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $seen (v128.or (local.get $seen)
        (v128.or
          (v128.or (v128.load (local.get $at)) (v128.load offset=16 (local.get $at)))
          (v128.or (v128.load offset=32 (local.get $at)) (v128.load offset=48 (local.get $at))))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br $column)))
    (i32.eqz (v128.any_true (local.get $seen)))))
