//! A QEMU whose switch is the one on AMD's cards, as far as its IDs go.
//!
//! QEMU's switch is one of Texas Instruments', has no option for its IDs, and takes no bridge that another process serves.
//! Vendor and device ID stand in the program as one number for each of its ports: a copy of the program has other numbers
//! there. The ports are QEMU's in everything else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::MachineError;
use crate::files::FileError;

/// Vendor and device ID of a port, as the program has them and as the copy has them.
struct Port {
    ti: [u16; 2],
    amd: [u16; 2],
}

/// The upstream port and a downstream one: `x3130-upstream` and `xio3130-downstream`, and what stands on cards from Navi on.
const PORTS: [Port; 2] = [
    Port {
        ti: [0x104c, 0x8232],
        amd: [0x1002, 0x1478],
    },
    Port {
        ti: [0x104c, 0x8233],
        amd: [0x1002, 0x1479],
    },
];

/// Writes the copy of the program at `from`.
pub(super) fn write(from: &Path, to: &Path) -> Result<(), MachineError> {
    let mut program = fs::read(from).map_err(FileError::of("read", from))?;
    for port in PORTS {
        exchange(&mut program, &port)?;
    }
    fs::write(to, program).map_err(FileError::of("write", to))?;
    let executable = fs::set_permissions(to, fs::Permissions::from_mode(0o755));
    executable.map_err(FileError::of("set up", to))?;
    Ok(())
}

/// What is there more than once may be something else.
fn exchange(program: &mut [u8], port: &Port) -> Result<(), MachineError> {
    let number = bytes(port.ti);
    let found = program.windows(number.len()).enumerate();
    let found: Vec<usize> = found.filter(|(_, there)| *there == number).map(|(at, _)| at).collect();
    let [at] = found[..] else {
        let [vendor, device] = port.ti;
        let id = format!("{vendor:04x}:{device:04x}");
        return Err(MachineError::SwitchIds { id, found: found.len() });
    };
    program[at..at + number.len()].copy_from_slice(&bytes(port.amd));
    Ok(())
}

/// As a little-endian machine has both in one number.
fn bytes([vendor, device]: [u16; 2]) -> [u8; 4] {
    (u32::from(device) << 16 | u32::from(vendor)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPSTREAM: &[u8] = &[0xc7, 0x4c, 0x10, 0x32, 0x82, 0x00];

    #[test]
    fn the_only_number_is_exchanged_and_nothing_else() {
        let mut program = UPSTREAM.to_vec();
        exchange(&mut program, &PORTS[0]).unwrap();
        assert_eq!(program, [0xc7, 0x02, 0x10, 0x78, 0x14, 0x00]);
    }

    #[test]
    fn a_number_that_is_missing_or_there_twice_is_not_exchanged() {
        for (program, count) in [(UPSTREAM[..4].to_vec(), 0), ([UPSTREAM, UPSTREAM].concat(), 2)] {
            let mut changed = program.clone();
            let error = exchange(&mut changed, &PORTS[0]).unwrap_err();
            assert!(
                matches!(error, MachineError::SwitchIds { found, .. } if found == count),
                "{error}"
            );
            assert_eq!(changed, program);
        }
    }
}
