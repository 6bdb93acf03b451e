//! How much memory the process held at most.

/// The largest amount of anonymous memory so far, in bytes, mapped files left out; 0 where the
/// system does not say (it does on Linux).
///
/// Linux keeps a peak only for the sum with mapped files (`VmHWM`), so the part of the files as it
/// is now is taken off: an estimate from below when files were unmapped meanwhile.
pub fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let peak = kilobytes("VmHWM:").unwrap_or(0);
    let files = kilobytes("RssFile:").unwrap_or(0) + kilobytes("RssShmem:").unwrap_or(0);
    let anonymous = kilobytes("RssAnon:").unwrap_or(0);
    peak.saturating_sub(files).max(anonymous).saturating_mul(1024)
}
