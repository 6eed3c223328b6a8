//! The owners of functions' memory, from `/proc/iomem`.
//!
//! Indentation shows nesting. A reader without privileges sees zeros as addresses, but the true indentation.

use reseat_core::address::FunctionAddress;

/// The name of memory that vfio-pci, or a variant, owns while a VM has the function open.
const VFIO: &str = "vfio-pci";

/// The names of memory of the firmware's framebuffer: by sysfb itself, and by the drivers that may own it.
const FRAMEBUFFERS: [&str; 5] = ["BOOTFB", "efifb", "simplefb", "simpledrm", "vesafb"];

/// Returns all owners of memory in functions that are neither functions nor vfio-pci, in order.
pub fn occupants(iomem: &str) -> Vec<(FunctionAddress, &str)> {
    let mut around: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for line in iomem.lines() {
        let Some((_, name)) = line.split_once(" : ") else {
            continue;
        };
        let depth = line.len().saturating_sub(line.trim_start().len());
        around.retain(|(outer, _)| *outer < depth);
        let inside = around.iter().rev().find_map(|(_, name)| name.parse().ok());
        if let Some(function) = inside.filter(|_| name != VFIO && name.parse::<FunctionAddress>().is_err()) {
            found.push((function, name));
        }
        around.push((depth, name));
    }
    found
}

/// Returns the function whose memory contains the firmware's framebuffer.
pub fn holder_of_framebuffer(iomem: &str) -> Option<FunctionAddress> {
    let mut occupants = occupants(iomem).into_iter();
    occupants
        .find(|(_, name)| is_framebuffer(name))
        .map(|(function, _)| function)
}

/// True if this is the memory of the firmware's framebuffer.
pub fn is_framebuffer(name: &str) -> bool {
    FRAMEBUFFERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state after a claim on 6.1: the driver is gone, but the platform device kept its memory.
    const LEFT: &str = "\
00001000-0009fbff : System RAM
c0000000-febfffff : PCI Bus 0000:00
  fd000000-fdffffff : 0000:00:05.0
    fd000000-fd12bfff : BOOTFB
  febf0000-febf7fff : 0000:00:05.0
  febf9000-febf9fff : 0000:00:1f.2
    febf9000-febf9fff : ahci
fec00000-fec003ff : IOAPIC 0
";

    fn said(iomem: &str) -> Vec<String> {
        let all = occupants(iomem).into_iter();
        all.map(|(function, name)| format!("{name} in {function}")).collect()
    }

    #[test]
    fn who_lies_in_a_functions_memory_is_named() {
        assert_eq!(said(LEFT), ["BOOTFB in 0000:00:05.0", "ahci in 0000:00:1f.2"]);
        let drawn = LEFT.replace(": BOOTFB\n", ": BOOTFB\n      fd000000-fd12bfff : simplefb\n");
        assert_eq!(
            said(&drawn)[..2],
            ["BOOTFB in 0000:00:05.0", "simplefb in 0000:00:05.0"]
        );
    }

    #[test]
    fn addresses_are_not_needed() {
        let zeros: String = LEFT
            .lines()
            .map(|line| {
                let (range, name) = line.split_once(" : ").unwrap();
                format!(
                    "{}00000000-00000000 : {name}\n",
                    " ".repeat(range.len() - range.trim_start().len())
                )
            })
            .collect();
        assert_eq!(said(&zeros), said(LEFT));
    }

    #[test]
    fn vfio_pci_and_virtual_functions_are_no_strangers() {
        for name in ["vfio-pci", "0000:00:05.4"] {
            let text = LEFT.replace("BOOTFB", name);
            assert_eq!(said(&text), ["ahci in 0000:00:1f.2"], "{name}");
        }
        assert_eq!(said("fd000000-fd12bfff : BOOTFB\n"), [""; 0], "outside of any function");
    }

    #[test]
    fn a_framebuffer_lies_in_the_memory_of_the_function_around_it() {
        assert_eq!(holder_of_framebuffer(LEFT), "0000:00:05.0".parse().ok());
        assert_eq!(
            holder_of_framebuffer(&LEFT.replace("BOOTFB", "efifb")),
            "0000:00:05.0".parse().ok()
        );
        assert_eq!(
            holder_of_framebuffer(&LEFT.replacen("0000:00:05.0", "Reserved", 1)),
            None
        );
    }
}
