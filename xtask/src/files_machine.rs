//! A machine made of files, for programs that take a directory for `/`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{target, top};

const GPUS: u8 = 8;
const FUNCTIONS: u8 = 2;
const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";
const REPORT: &str = "run/reseat/claim.json";

/// Eight GPUs with two functions each, all of them on vfio-pci already, so that a claim of files comes to its end.
pub(crate) struct FilesMachine {
    root: PathBuf,
}

impl FilesMachine {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let root = target()?.join("machines").join(name);
        if root.exists() {
            fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
        }
        let machine = Self { root };
        machine.write("etc/reseat/reseat.toml", RULES)?;
        machine.write("proc/cmdline", "quiet")?;
        machine.write("dev/kmsg", "")?;
        machine.write("sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n")?;
        machine.write("sys/bus/pci/drivers/vfio-pci/bind", "")?;
        let config = config_space()?;
        for bus in 1..=GPUS {
            for function in 0..FUNCTIONS {
                machine.function(bus, function, &config)?;
            }
        }
        Ok(machine)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the boot claim's report is.
    pub(crate) fn report(&self) -> PathBuf {
        self.root.join(REPORT)
    }

    fn function(&self, bus: u8, function: u8, config: &[u8]) -> Result<()> {
        let directory = format!("sys/bus/pci/devices/0000:{bus:02x}:00.{function}");
        let class = match function {
            0 => "0x030000",
            _ => "0x040300",
        };
        for (file, content) in [
            ("vendor", "0x10de"),
            // As the configuration space has it, which the claim holds it against.
            ("device", "0x2489"),
            ("class", class),
            ("driver_override", "(null)"),
            ("d3cold_allowed", "1"),
            // What is written over it is as long: what is left of a longer value would be read back.
            ("power/control", "on"),
            ("power/runtime_status", "active"),
            ("power_state", "D0"),
        ] {
            self.write(&format!("{directory}/{file}"), content)?;
        }
        self.write(&format!("{directory}/config"), config)?;
        for (to, name) in [
            (format!("../../../kernel/iommu_groups/{bus}"), "iommu_group"),
            ("../../drivers/vfio-pci".to_owned(), "driver"),
        ] {
            let link = self.root.join(&directory).join(name);
            symlink(to, &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
        Ok(())
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.root.join(path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, content));
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The first 256 bytes of a GPU in D0.
fn config_space() -> Result<Vec<u8>> {
    let path = top().join("initramfs-tool/src/linux/fixtures/gpu-in-d0.hex");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().filter_map(|line| line.split_once(": "));
    let mut bytes = Vec::new();
    for (offset, row) in rows.filter(|(offset, _)| !offset.starts_with('#')) {
        bytes.resize(usize::from_str_radix(offset, 16)?, 0);
        for byte in row.split(' ') {
            bytes.push(u8::from_str_radix(byte, 16)?);
        }
    }
    bytes.resize(256, 0);
    Ok(bytes)
}
