//! How much memory there is for us: the machine's, or what its keeper has left us of it.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// The least of what the machine has, what the control groups that we are in may have (a
/// container's, a service's), and what may be mapped at all (`ulimit -v`).
pub fn memory_bytes() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let of_machine = of_machine(&read(Path::new("/proc/meminfo"))?);
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mapped = getrlimit(Resource::As).current;
    [of_machine, of_groups(&groups, read), mapped].into_iter().flatten().min()
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The least limit of the groups that a process is in, whose `/proc/self/cgroup` is `groups`, and
/// of those around them. Within a container their paths may be those outside, and not be there.
fn of_groups(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limit_files = groups.lines().flat_map(|line| {
        // Of version 2, then of version 1.
        let (folder, path, file) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
            ["0", "", path] => (PathBuf::from(GROUPS), path, "memory.max"),
            [_, kinds, path] if kinds.split(',').any(|kind| kind == "memory") => {
                (Path::new(GROUPS).join("memory"), path, "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let around = Path::new(path.trim_start_matches('/')).ancestors();
        around.map(|group| folder.join(group).join(file)).collect()
    });
    // `max` is none.
    limit_files.filter_map(|file| read(&file)?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_a_process_and_of_the_groups_around_it_counts() {
        let files = [
            ("/sys/fs/cgroup/memory.max", "max\n"),
            ("/sys/fs/cgroup/user/memory.max", "5000\n"),
            ("/sys/fs/cgroup/user/shell/memory.max", "9000\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4000\n"),
            ("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "nonsense"),
        ];
        let of = |groups: &str| {
            let read = |path: &Path| {
                let file = files.iter().find(|(name, _)| Path::new(name) == path);
                file.map(|(_, text)| (*text).to_owned())
            };
            of_groups(groups, read)
        };
        assert_eq!(of("0::/user/shell\n"), Some(5000));
        assert_eq!(of("0::/\n"), None);
        assert_eq!(of("4:cpu,memory:/box/inner\n1:name=systemd:/user\n"), Some(4000));
        assert_eq!(of("4:memory:/box\n0::/user\n"), Some(4000));
        assert_eq!(of("nonsense\n\n:::\n"), None);
    }

    #[test]
    fn what_the_machine_has_is_read_in_kilobytes() {
        assert_eq!(of_machine("MemFree: 7 kB\nMemTotal:       2048 kB\n"), Some(2 << 20));
        assert_eq!(of_machine("MemTotal: much\n"), None);
    }
}
