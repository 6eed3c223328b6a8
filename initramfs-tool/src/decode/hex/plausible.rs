//! The test that rows without a title have to pass: an EDID, a VBIOS or a packet is written in rows too.

use reseat_core::config::{ConfigRead, ReadableSize};
use reseat_core::header::{Common, Identity, LayoutCode};

use super::space::DumpedSpace;

/// Vendors of GPUs and of what is above them. They decide in which order a word's bytes are.
const KNOWN_VENDORS: [u16; 12] = [
    0x1000, 0x1002, 0x1022, 0x10b5, 0x10de, 0x11f8, 0x144d, 0x14e4, 0x15b3, 0x1af4, 0x1b36, 0x8086,
];
/// `CardBus` bridges show this much to users other than root.
const CARDBUS_HEADER: usize = 128;
/// The base classes up to this one are assigned, and those in [`OTHER_CLASSES`].
const LAST_CLASS: u8 = 0x14;
const OTHER_CLASSES: [u8; 2] = [0x40, 0xff];

/// The likelihood that rows are a configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likelihood {
    Not,
    Possible,
    Likely,
}

/// True if rows without a title can be a configuration space, or one whose function does not answer.
pub(super) fn is_configuration_space(space: &DumpedSpace) -> bool {
    if space.is_all_ones() {
        let length = space.length();
        let is_whole = length == usize::from(ConfigRead::size(space).bytes()) || length == CARDBUS_HEADER;
        return is_whole && length >= ReadableSize::Header.bytes().into();
    }
    likelihood(space) > Likelihood::Not
}

/// True if a binary file can be a configuration space: a program's first bytes can look like a header, but not its length.
pub(super) fn is_configuration_file(space: &DumpedSpace) -> bool {
    let length = space.length();
    let is_whole = length == usize::from(ConfigRead::size(space).bytes()) || length == CARDBUS_HEADER;
    let is_long_enough = length >= ReadableSize::Header.bytes().into();
    let is_likely = is_long_enough && likelihood(space) == Likelihood::Likely;
    (is_whole && is_configuration_space(space)) || is_likely
}

/// Judges the first registers.
pub(super) fn likelihood(space: &DumpedSpace) -> Likelihood {
    let Ok(common) = Common::read(space.clone()) else {
        return Likelihood::Not;
    };
    let class = common.class.base_class;
    let is_class = class <= LAST_CLASS || OTHER_CLASSES.contains(&class);
    let is_layout = match common.header_type.layout() {
        LayoutCode::Type0 => true,
        LayoutCode::Type1 | LayoutCode::CardBus => common.class.leads_to_a_bus(),
        LayoutCode::Other(_) => false,
    };
    match is_class && is_layout && is_identity(common.identity) {
        true if KNOWN_VENDORS.contains(&common.identity.vendor) => Likelihood::Likely,
        true => Likelihood::Possible,
        false => Likelihood::Not,
    }
}

/// A virtual function reads ffff:ffff; no other function has ffff in either half.
fn is_identity(Identity { vendor, device }: Identity) -> bool {
    let is_virtual = vendor == 0xffff && device == 0xffff;
    is_virtual || (vendor != 0 && vendor != 0xffff && device != 0xffff)
}
