//! What was written to ports, as QEMU saw it: the witness for which of them reset what is below.

use std::time::Duration;

use anyhow::Result;
use reseat_vm::machine::ConfigWrite;

use crate::Running;

/// Bridge Control in a header of type 1.
const BRIDGE_CONTROL: u32 = 0x3e;
/// Interrupt Line and Pin are in the dword before it.
const BRIDGE_CONTROL_DWORD: u32 = 0x3c;
/// Secondary Bus Reset.
const SECONDARY_BUS_RESET: u32 = 0x40;

/// The names that QEMU has for the bed's ports.
const PORTS: [&str; 4] = ["pcie-root-port", "ioh3420", "x3130-upstream", "xio3130-downstream"];

/// A port that was told to reset what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortReset {
    /// When.
    pub at: Duration,
    /// Which port: `0000:00:03.0`.
    pub port: String,
}

/// Whether a write sets Secondary Bus Reset of a port. The length of a write is not known: a value that fits into a word
/// at the dword's offset is taken for one that leaves Bridge Control alone.
fn sets_reset(write: &ConfigWrite) -> bool {
    let bits = match write.offset {
        BRIDGE_CONTROL => write.value,
        BRIDGE_CONTROL_DWORD => write.value >> 16,
        _ => 0,
    };
    PORTS.contains(&write.kind.as_str()) && bits & SECONDARY_BUS_RESET != 0
}

impl Running {
    /// Every write to configuration space between two moments, oldest first. The scene was [`crate::Scene::traced`].
    ///
    /// # Errors
    /// When there is no trace.
    pub fn config_writes(&self, from: Duration, to: Duration) -> Result<Vec<ConfigWrite>> {
        let mut writes = self.machine.config_writes()?;
        writes.retain(|write| (from..=to).contains(&write.at));
        Ok(writes)
    }

    /// Every secondary bus reset between two moments, oldest first. The scene was [`crate::Scene::traced`].
    ///
    /// # Errors
    /// When there is no trace.
    pub fn port_resets(&self, from: Duration, to: Duration) -> Result<Vec<PortReset>> {
        let writes = self.config_writes(from, to)?;
        let resets = writes.into_iter().filter(sets_reset).map(|write| PortReset {
            at: write.at,
            port: format!("0000:{}", write.function),
        });
        Ok(resets.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(kind: &str, offset: u32, value: u32) -> ConfigWrite {
        ConfigWrite {
            at: Duration::ZERO,
            kind: kind.to_owned(),
            function: "00:03.0".to_owned(),
            offset,
            value,
        }
    }

    #[test]
    fn only_the_bit_of_a_port_counts() {
        assert!(sets_reset(&write("pcie-root-port", 0x3e, 0x43)));
        assert!(sets_reset(&write("xio3130-downstream", 0x3c, 0x0043_010b)));
        assert!(!sets_reset(&write("pcie-root-port", 0x3e, 0x03)));
        assert!(!sets_reset(&write("pcie-root-port", 0x3c, 0x0040)));
        assert!(!sets_reset(&write("vfio-user-pci", 0x3e, 0x40)));
    }
}
