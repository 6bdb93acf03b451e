//! The targets of `tests/fuzz_targets` for libFuzzer, with their mutator beside its own.

#[path = "../../tests/fuzz_targets/mod.rs"]
pub mod fuzz_targets;

pub use libfuzzer_sys;

use fuzz_targets::mutate::{Random, mutate};
use fuzz_targets::{ALL, Target};

/// The target of that name.
pub fn target(name: &str) -> &'static Target {
    ALL.iter().find(|target| target.name == name).expect("a target of this name")
}

/// Changes the first `size` bytes of `data`, in place, and says how many there are now: every other
/// time as libFuzzer does, which learns from what it compares, else knowing what the bytes are.
pub fn change(target: &Target, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed));
    if random.below(2) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut bytes = data[..size].to_vec();
    let other = bytes.clone();
    mutate(target.shape, &mut bytes, &other, &mut random);
    bytes.truncate(max_size.min(data.len()));
    data[..bytes.len()].copy_from_slice(&bytes);
    bytes.len()
}

/// The entry points that libFuzzer calls.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        use $crate::libfuzzer_sys;

        libfuzzer_sys::fuzz_target!(|data: &[u8]| ($crate::target($name).run)(data));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::change($crate::target($name), data, size, max_size, seed)
        });
    };
}
