//! Where a load ran: the machine, how busy it was with other things, and which cores were whose.

use std::path::Path;

use serde_json::{Value, json};

use super::TargetArgs;
use crate::engine::machine;

/// What a reader of the figures has to know beside the workload.
pub(crate) fn describe(args: &TargetArgs) -> Value {
    let mut described = machine::describe(&args.dir);
    let governor = Path::new("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let memory = read(Path::new("/proc/meminfo")).unwrap_or_default();
    described["cpu_governor"] = json!(read(governor));
    described["load_average"] = json!(load_averages(
        &read(Path::new("/proc/loadavg")).unwrap_or_default()
    ));
    described["memory_total_mb"] = json!(memory_mb(&memory, "MemTotal"));
    described["memory_available_mb"] = json!(memory_mb(&memory, "MemAvailable"));
    described["io_uring_disabled"] = json!(read(Path::new("/proc/sys/kernel/io_uring_disabled")));
    described["broker_core"] = json!(args.server_cpu);
    described["client_core"] = json!(args.client_cpu);
    described["client_threads"] = json!(args.client_threads);
    described["transport"] = json!(match &args.bootstrap_server {
        None => "TCP over loopback".to_owned(),
        Some(address) => format!("TCP to {address}"),
    });
    described
}

/// Nothing where the kernel does not have the file.
fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// Of one, five and fifteen minutes.
fn load_averages(text: &str) -> Vec<f64> {
    let numbers = text.split_whitespace().take(3);
    numbers.filter_map(|it| it.parse().ok()).collect()
}

/// A line of `/proc/meminfo`, which counts in KiB, in 10^6 bytes.
fn memory_mb(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib = line.trim_start_matches(':').split_whitespace().next()?;
    Some(kib.parse::<u64>().ok()? * 1024 / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        assert_eq!(load_averages("0.10 1.5 2 3/99 1234"), [0.1, 1.5, 2.0]);
        let memory = "MemTotal:        1000000 kB\nMemAvailable:     500000 kB\n";
        assert_eq!(memory_mb(memory, "MemTotal"), Some(1024));
        assert_eq!(memory_mb(memory, "MemAvailable"), Some(512));
        assert_eq!(memory_mb(memory, "SwapTotal"), None);
    }
}
