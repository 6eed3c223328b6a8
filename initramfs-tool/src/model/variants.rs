//! The vfio driver for a function: plain vfio-pci, or one of the kernel's variants.
//!
//! A variant lists its functions in `modules.alias`, as every driver does, but on lines that begin with `vfio_pci:`, so
//! that nothing loads it by accident:
//!
//! ```text
//! alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci
//! alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
//! ```

use reseat_core::header::{ClassCode, Identity};

/// The module of vfio-pci itself.
pub const VFIO_PCI_MODULE: &str = "vfio_pci";

/// A variant of vfio-pci for a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The module: `nvgrace_gpu_vfio_pci`.
    pub module: String,
    /// The driver, known once the module is loaded.
    pub driver: Option<String>,
}

/// The fields that an alias is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AliasFields {
    /// Vendor and device ID.
    pub identity: Identity,
    /// Subsystem vendor and subsystem ID.
    pub subsystem: Identity,
    /// The class.
    pub class: ClassCode,
}

/// The lines of `modules.alias` for vfio's drivers, without plain vfio-pci's own: patterns and modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variants(Vec<(String, String)>);

impl Variants {
    /// Extracts the lines from the file's text.
    pub fn parse(text: &str) -> Self {
        let variant = |line: &str| {
            let (pattern, module) = line.strip_prefix("alias vfio_pci:")?.trim_end().split_once(' ')?;
            (module != VFIO_PCI_MODULE).then(|| (pattern.to_owned(), module.to_owned()))
        };
        Self(text.lines().filter_map(variant).collect())
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the module of the variant with the most specific match; `None` if plain vfio-pci matches as well.
    pub fn module_for(&self, of: AliasFields) -> Option<&str> {
        let fields = of.fields();
        let matching = self.0.iter().filter_map(|(pattern, module)| {
            let named = named_fields(pattern, &fields)?;
            Some((named, module))
        });
        let best = matching.filter(|(named, _)| *named > 0).max_by_key(|(named, _)| *named);
        best.map(|(_, module)| module.as_str())
    }
}

/// Returns the modules that `modprobe --show-depends` would load, in order, without built-in ones.
pub fn loads(said: &str) -> Vec<String> {
    let file = |line: &str| {
        let path = line.strip_prefix("insmod ")?.split_whitespace().next()?;
        let name = path.rsplit('/').next()?;
        let name = name.split_once(".ko").map_or(name, |(name, _)| name);
        Some(name.replace('-', "_"))
    };
    said.lines().filter_map(file).collect()
}

/// Returns the modules that a variant would load besides itself: those in `loads` that are not `there`. One of them may
/// be the driver that a claim has to precede: `xe_vfio_pci` loads xe, and xe binds every function that it supports at
/// once.
pub fn brings<'a>(variant: &str, loads: &'a [String], there: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let loads = loads.iter().map(String::as_str);
    loads.filter(|module| *module != variant && !there(module)).collect()
}

impl AliasFields {
    /// The fields of a PCI alias, each after its letters, as in the kernel's `file2alias`.
    fn fields(self) -> [(&'static str, String); 7] {
        let id = |id: u16| format!("{id:08X}");
        let part = |part: u8| format!("{part:02X}");
        [
            ("v", id(self.identity.vendor)),
            ("d", id(self.identity.device)),
            ("sv", id(self.subsystem.vendor)),
            ("sd", id(self.subsystem.device)),
            ("bc", part(self.class.base_class)),
            ("sc", part(self.class.sub_class)),
            ("i", part(self.class.interface)),
        ]
    }
}

/// The number of fields that a matching pattern names; the others are `*`.
fn named_fields(pattern: &str, fields: &[(&str, String); 7]) -> Option<usize> {
    let mut rest = pattern;
    let mut named = 0_usize;
    for (letters, value) in fields {
        rest = rest.strip_prefix(letters)?;
        rest = match rest.strip_prefix('*') {
            Some(rest) => rest,
            None => {
                named = named.saturating_add(1);
                rest.strip_prefix(value.as_str())?
            }
        };
    }
    rest.is_empty().then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIASES: &str = "\
# Aliases extracted from modules themselves.
alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau
alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci
alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci
alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci
alias vfio_pci:v000010DEd*sv*sd*bc03sc*i* some_display_vfio_pci
alias vfio_pci:v000010DEd00002342sv000010DEsd00001809bc*sc*i* board_vfio_pci
";

    fn module(identity: &str, subsystem: &str, class: &str) -> Option<String> {
        let subject = AliasFields {
            identity: identity.parse().unwrap(),
            subsystem: subsystem.parse().unwrap(),
            class: class.parse().unwrap(),
        };
        Variants::parse(ALIASES).module_for(subject).map(str::to_owned)
    }

    #[test]
    fn the_variant_that_names_the_most_is_taken() {
        for (identity, subsystem, class, expected) in [
            ("15b3:101e", "15b3:0001", "020000", Some("mlx5_vfio_pci")),
            ("10de:2342", "10de:0001", "120000", Some("nvgrace_gpu_vfio_pci")),
            ("10de:2342", "10de:1809", "030200", Some("board_vfio_pci")),
            ("10de:2231", "10de:0001", "030000", Some("some_display_vfio_pci")),
            ("10de:1aef", "10de:0001", "040300", None),
            ("1002:73bf", "1002:0e3a", "030000", None),
        ] {
            assert_eq!(
                module(identity, subsystem, class).as_deref(),
                expected,
                "{identity} {subsystem} {class}"
            );
        }
    }

    /// kmod's output for Intel's variant.
    const LOADS: &str = "\
builtin iommufd
insmod /lib/modules/7.3.4/kernel/drivers/vfio/vfio.ko.xz 
insmod /lib/modules/7.3.4/kernel/drivers/vfio/pci/vfio-pci-core.ko.xz 
insmod /lib/modules/7.3.4/kernel/drivers/gpu/drm/xe/xe.ko.xz force_probe=*
insmod /lib/modules/7.3.4/kernel/drivers/vfio/pci/xe/xe-vfio-pci.ko.xz 
";

    #[test]
    fn what_a_variant_brings_along_is_what_is_not_there_yet() {
        let loads = loads(LOADS);
        assert_eq!(loads, ["vfio", "vfio_pci_core", "xe", "xe_vfio_pci"]);
        let with_vfio = |module: &str| module.starts_with("vfio");
        assert_eq!(brings("xe_vfio_pci", &loads, with_vfio), ["xe"]);
        assert!(brings("xe_vfio_pci", &loads, |module| module == "xe" || with_vfio(module)).is_empty());
    }

    #[test]
    fn lines_of_another_form_name_nothing() {
        for line in [
            "alias vfio_pci:v*",
            "alias vfio_pci:x*d*sv*sd*bc*sc*i* x",
            "alias vfio_pci:v*d*sv*sd*bc*sc*i*z x",
        ] {
            let variants = Variants::parse(line);
            let subject = AliasFields {
                identity: "10de:2231".parse().unwrap(),
                subsystem: "10de:1482".parse().unwrap(),
                class: "030000".parse().unwrap(),
            };
            assert_eq!(variants.module_for(subject), None, "{line}");
        }
    }
}
