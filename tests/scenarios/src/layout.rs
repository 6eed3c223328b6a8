//! Where the GPUs of a scene stand, and what stands beside them.

use reseat_vm::machine::PortPlace;

/// Where a GPU stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind a root port of its own.
    Alone,
    /// Behind a root port, on one device with a disk, which is function 2: nothing that comes from the port can hit one
    /// and spare the other.
    BesideDisk,
    /// Behind one port of a switch that has a disk behind the other: a reset by the GPU's own port spares the disk, one by
    /// the root port does not.
    BehindSwitch,
    /// Behind one of two root ports of one device, with a disk behind the other: in one IOMMU group, since these ports do not
    /// hold back what goes from one to the other. So it is on many desktop machines.
    InOneGroup,
    /// Behind the switch of its own card, as AMD's cards have one.
    OwnSwitch,
}

/// The disk's function number in [`Place::BesideDisk`].
pub(crate) const BESIDE: u8 = 2;

/// What is free for the next GPU.
#[derive(Debug)]
pub(crate) struct Layout {
    index: u8,
    slot: u8,
    bus: u8,
}

/// Where one GPU is, in QEMU's words and in the guest's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) place: Place,
    /// The GPU's number in the scene.
    pub(crate) index: u8,
    /// The root port's device number on bus 0.
    pub(crate) root_device: u8,
    /// The root port's slot; those of a switch's ports come next.
    pub(crate) slot: u8,
    /// The bus below the root port.
    pub(crate) bus: u8,
}

impl Default for Layout {
    /// Bus 0 has QEMU's own devices at 1, 2 and 1f.
    fn default() -> Self {
        Self {
            index: 0,
            slot: 1,
            bus: 1,
        }
    }
}

impl Layout {
    pub(crate) fn next(&mut self, place: Place) -> Site {
        let site = Site {
            place,
            index: self.index,
            root_device: self.index + 3,
            slot: self.slot,
            bus: self.bus,
        };
        // A switch has a bus within, and one below each of its two ports.
        let (slots, buses) = match place {
            Place::Alone | Place::BesideDisk => (1, 1),
            Place::BehindSwitch => (3, 4),
            Place::InOneGroup => (2, 2),
            // The card is in the root port's slot; the port within has a number, and no slot.
            Place::OwnSwitch => (2, 3),
        };
        self.index += 1;
        self.slot += slots;
        self.bus += buses;
        site
    }
}

impl Site {
    pub(crate) fn root_port(&self) -> String {
        format!("rp{}", self.index)
    }

    pub(crate) fn switch(&self) -> String {
        format!("sw{}", self.index)
    }

    /// The port above the GPU, in QEMU's words.
    pub(crate) fn gpu_port(&self) -> String {
        match self.place {
            Place::Alone | Place::BesideDisk | Place::InOneGroup => self.root_port(),
            Place::BehindSwitch | Place::OwnSwitch => format!("dp{}gpu", self.index),
        }
    }

    /// The port above the disk, in QEMU's words.
    pub(crate) fn disk_port(&self) -> String {
        match self.place {
            Place::Alone | Place::BesideDisk | Place::OwnSwitch => self.root_port(),
            Place::BehindSwitch => format!("dp{}disk", self.index),
            Place::InOneGroup => format!("rp{}disk", self.index),
        }
    }

    /// The slot that the GPU is in.
    pub(crate) fn gpu_slot(&self) -> u8 {
        match self.place {
            Place::Alone | Place::BesideDisk | Place::InOneGroup | Place::OwnSwitch => self.slot,
            Place::BehindSwitch => self.slot + 1,
        }
    }

    /// The GPU's device in the guest.
    pub(crate) fn device(&self) -> String {
        let bus = match self.place {
            Place::Alone | Place::BesideDisk | Place::InOneGroup => self.bus,
            Place::BehindSwitch | Place::OwnSwitch => self.bus + 2,
        };
        format!("0000:{bus:02x}:00")
    }

    /// The port above the GPU in the guest.
    pub(crate) fn port(&self) -> String {
        let PortPlace { bus, device } = self.port_place();
        format!("0000:{bus:02x}:{device:02x}.0")
    }

    pub(crate) fn port_place(&self) -> PortPlace {
        let (bus, device) = match self.place {
            Place::Alone | Place::BesideDisk | Place::InOneGroup => (0, self.root_device),
            Place::BehindSwitch | Place::OwnSwitch => (self.bus + 1, 0),
        };
        PortPlace { bus, device }
    }

    /// The disk's function in the guest.
    pub(crate) fn disk(&self) -> Option<String> {
        match self.place {
            Place::Alone | Place::OwnSwitch => None,
            Place::BesideDisk => Some(format!("{}.{BESIDE}", self.device())),
            Place::BehindSwitch => Some(format!("0000:{:02x}:00.0", self.bus + 3)),
            Place::InOneGroup => Some(format!("0000:{:02x}:00.0", self.bus + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_of_one_device_take_two_buses_and_slots() {
        let mut layout = Layout::default();
        let (shared, last) = (layout.next(Place::InOneGroup), layout.next(Place::Alone));
        assert_eq!(
            (shared.device(), shared.port()),
            ("0000:01:00".into(), "0000:00:03.0".into())
        );
        assert_eq!(shared.disk().as_deref(), Some("0000:02:00.0"));
        assert_eq!(
            (last.device(), last.port(), last.gpu_slot()),
            ("0000:03:00".into(), "0000:00:04.0".into(), 3)
        );
    }

    #[test]
    fn a_card_with_a_switch_takes_three_buses_and_is_in_one_slot() {
        let mut layout = Layout::default();
        let (card, last) = (layout.next(Place::OwnSwitch), layout.next(Place::Alone));
        assert_eq!(
            (card.device(), card.port(), card.gpu_slot()),
            ("0000:03:00".into(), "0000:02:00.0".into(), 1)
        );
        assert_eq!(card.disk(), None);
        assert_eq!((last.device(), last.gpu_slot()), ("0000:04:00".into(), 3));
    }

    #[test]
    fn a_switch_takes_four_buses_and_three_slots() {
        let mut layout = Layout::default();
        let first = layout.next(Place::Alone);
        let behind = layout.next(Place::BehindSwitch);
        let last = layout.next(Place::BesideDisk);
        assert_eq!(
            (first.device(), first.port()),
            ("0000:01:00".into(), "0000:00:03.0".into())
        );
        assert_eq!(
            (behind.device(), behind.port()),
            ("0000:04:00".into(), "0000:03:00.0".into())
        );
        assert_eq!(behind.disk().as_deref(), Some("0000:05:00.0"));
        assert_eq!(
            (last.device(), last.port()),
            ("0000:06:00".into(), "0000:00:05.0".into())
        );
        assert_eq!(last.disk().as_deref(), Some("0000:06:00.2"));
        assert_eq!([first.gpu_slot(), behind.gpu_slot(), last.gpu_slot()], [1, 3, 5]);
    }
}
