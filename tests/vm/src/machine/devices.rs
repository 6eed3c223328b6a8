//! What stands on the machine's buses, and how QEMU is told of each.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A root port on the root bus, with a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPort {
    /// QEMU's name for it and for the bus below.
    pub id: String,
    /// Its slot number, and chassis.
    pub slot: u8,
    /// Its device number on the root bus.
    pub device: u8,
    /// What other root ports there are of its device.
    pub among: Among,
}

/// Whether a root port is one of several on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// It is the only one, and holds back what is not to go past the IOMMU (ACS).
    Alone,
    /// It is this function of a device, none of which holds that back: all that is below is one IOMMU group.
    Others(u8),
}

impl RootPort {
    pub(super) fn arguments(&self) -> Value {
        // Of QEMU's root ports this one has no ACS.
        let (driver, function) = match self.among {
            Among::Alone => ("pcie-root-port", 0),
            Among::Others(function) => ("ioh3420", function),
        };
        let mut arguments = json!({
            "driver": driver,
            "id": self.id,
            "bus": "pcie.0",
            "addr": format!("{:02x}.{function}", self.device),
            "chassis": self.slot,
            "slot": self.slot,
        });
        if self.among != Among::Alone {
            arguments["multifunction"] = json!(true);
        }
        arguments
    }
}

/// A function that another process serves over a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VfioUser {
    /// QEMU's name for it.
    pub id: String,
    /// The port above.
    pub port: String,
    /// The function's number in device 00.
    pub function: u8,
    /// The socket; its server listens already.
    pub socket: PathBuf,
    /// Whether functions beside it are to be found.
    pub siblings: Siblings,
}

/// What function 0 says about the other functions of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Siblings {
    /// The device has one function.
    None,
    /// The device has several: QEMU wants it said on function 0.
    Some,
}

impl VfioUser {
    /// What QEMU's `-device` and `device_add` take.
    #[must_use]
    pub fn arguments(&self) -> Value {
        let mut arguments = json!({
            "driver": "vfio-user-pci",
            "id": self.id,
            "bus": self.port,
            "addr": format!("00.{}", self.function),
            "socket": { "type": "unix", "path": self.socket },
        });
        if self.siblings == Siblings::Some {
            arguments["multifunction"] = json!(true);
        }
        arguments
    }
}

/// A switch below a port. Its upstream port has device number 0, its downstream ports are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// QEMU's name for the upstream port and for the bus below.
    pub id: String,
    /// The port above.
    pub port: String,
    /// Its downstream ports.
    pub downstream: Vec<DownstreamPort>,
    /// Whose it is.
    pub part_of: PartOf,
}

/// What a switch is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOf {
    /// The machine: there are slots behind it.
    Machine,
    /// An AMD card, by its IDs; nothing can be plugged behind it. All switches of a machine are of one kind.
    AmdCard,
}

/// A downstream port of a switch, with a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownstreamPort {
    /// QEMU's name for it and for the bus below.
    pub id: String,
    /// Its slot number, and chassis.
    pub slot: u8,
}

impl Switch {
    /// The upstream port, then those below it.
    pub(super) fn arguments(&self) -> Vec<Value> {
        let upstream = json!({ "driver": "x3130-upstream", "id": self.id, "bus": self.port });
        let downstream = self.downstream.iter().enumerate().map(|(number, port)| {
            json!({
                "driver": "xio3130-downstream",
                "id": port.id,
                "bus": self.id,
                "addr": format!("{number:02x}.0"),
                "chassis": port.slot,
                "slot": port.slot,
                "hotplug": self.part_of == PartOf::Machine,
            })
        });
        std::iter::once(upstream).chain(downstream).collect()
    }
}

/// An NVMe disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvme {
    /// QEMU's name for it.
    pub id: String,
    /// The port above.
    pub port: String,
    /// The function's number in device 00.
    pub function: u8,
    /// What is on it.
    pub file: PathBuf,
}

impl Nvme {
    fn node(&self) -> String {
        format!("{}-file", self.id)
    }

    pub(super) fn file(&self) -> Value {
        json!({
            "driver": "raw",
            "node-name": self.node(),
            "file": { "driver": "file", "filename": self.file, "locking": "off" },
        })
    }

    pub(super) fn arguments(&self) -> Value {
        json!({
            "driver": "nvme",
            "id": self.id,
            "bus": self.port,
            "addr": format!("00.{}", self.function),
            "serial": self.id,
            "drive": self.node(),
        })
    }
}
