//! How much memory an image can make this process use.

use cofferdam_adapters::sources::read_image;
use cofferdam_core::Code;

use super::built::{GZIP, OCI, image, packed};
use super::server::{Server, serving};
use super::{refusal, source};

/// Set in the process that measures: it runs this test and no other.
const MEASURING: &str = "COFFERDAM_TEST_MEASURES_MEMORY";

/// 10 GiB of zeros, packed to some 10 MB.
#[test]
fn ten_gibibytes_in_ten_megabytes_take_little_memory() {
    if std::env::var_os(MEASURING).is_none() {
        let test = "memory::ten_gibibytes_in_ten_megabytes_take_little_memory";
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(MEASURING, "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    for path in ["n/zeros", "m/zeros"] {
        let mut header = tar::Header::new_gnu();
        header.set_path(path).unwrap();
        header.set_size(10 << 30);
        header.set_cksum();
        let zeros = packed(GZIP, &vec![0; 16 << 20]);
        let mut layer = packed(GZIP, header.as_bytes());
        (0..640).for_each(|_| layer.extend(&zeros));
        assert!(layer.len() < 64 << 20, "{}", layer.len());
        let built = image(OCI, &[(GZIP, layer)]);
        let server = Server::start(|_| serving(&built)).await;
        drop(built);
        let mut source = source(&format!("{}/app:v1", server.host), "/m");
        // The usual cap of 4 GiB would hold as well; a build without optimisation takes long to unpack as much.
        source.limits.layer_bytes = 256 << 20;
        let Some(before) = memory("VmRSS:") else { return };
        reset_peak();
        refusal(read_image(&source).await, Code::ImageHostile);
        let peak = memory("VmHWM:").unwrap();
        assert!(peak < before + (64 << 10), "{path}: from {before} kB to {peak} kB");
    }
}

/// In kB; `None` on systems that do not say.
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The peak so far is that of building the layer.
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}
