//! mkinitcpio's presets, which are scripts: each is for a package of kernels, and says what is built of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::programs;
use crate::initramfs::builder::Builder;
use crate::initramfs::machine::NoDropIns;
use crate::initramfs::plan::InstallRefusal;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;

const PRESETS: &str = "/etc/mkinitcpio.d";

/// The configuration that mkinitcpio reads without being told.
const CONFIGURATION: &str = "/etc/mkinitcpio.conf";

/// The only image that the presets of today build, if they do not say which.
const DEFAULT: &str = "default";

/// The assignments of a preset, as far as they are written plainly.
struct Preset(Vec<(String, String)>);

impl Preset {
    fn parse(text: &str) -> Self {
        let plain = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let set = plain.filter_map(|line| line.split_once('='));
        Self(set.map(|(name, value)| (name.to_owned(), value_of(value))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        // The last one counts.
        let set = self.0.iter().rev().find(|(other, _)| other == name)?;
        Some(set.1.as_str()).filter(|value| !value.is_empty())
    }

    /// The names of the images that it builds, in order.
    fn names(&self) -> Vec<String> {
        match self.get("PRESETS").map(shell_words) {
            Some(Ok(names)) => names,
            _ => vec![DEFAULT.to_owned()],
        }
    }
}

/// The value of an assignment: what stands in quotes, or in parentheses, or up to a blank.
fn value_of(text: &str) -> String {
    let end = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text.get(1..).and_then(|rest| rest.split(quote).next()),
        Some('(') => text.split_inclusive(')').next(),
        _ => text.split_whitespace().next(),
    };
    end.unwrap_or_default().to_owned()
}

/// The words of a value, if a shell would make the same ones of it.
fn shell_words(value: &str) -> Result<Vec<String>, ()> {
    let (list, is_array) = match value.strip_prefix('(').and_then(|list| list.strip_suffix(')')) {
        Some(list) => (list, true),
        None if value.starts_with('(') => return Err(()),
        None => (value, false),
    };
    let word = |word: &str| {
        let bare = ["'", "\""]
            .iter()
            .find_map(|quote| word.strip_prefix(quote)?.strip_suffix(quote))
            .filter(|_| is_array)
            .unwrap_or(word);
        match bare.contains(['$', '`', '\\', '"', '\'']) {
            true => Err(()),
            false => Ok(bare.to_owned()),
        }
    };
    list.split_whitespace().map(word).collect()
}

fn all(root: &Root) -> Vec<(PathBuf, Preset)> {
    let entries = fs::read_dir(root.path(PRESETS)).into_iter().flatten().flatten();
    let presets = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "preset"));
    let presets = presets.map(|entry| {
        let file = Path::new(PRESETS).join(entry.file_name());
        (file, Preset::parse(&attributes::read_configuration(&entry.path())))
    });
    presets.collect()
}

/// The package of a kernel, and its preset.
fn of_kernel(root: &Root, version: &str) -> Option<(String, Preset)> {
    let package = ["/lib/modules", "/usr/lib/modules"]
        .iter()
        .find_map(|directory| attributes::read(&root.path(directory).join(version).join("pkgbase")).ok())?;
    let preset = attributes::read_configuration(&root.path(PRESETS).join(format!("{package}.preset")));
    Some((package, Preset::parse(&preset)))
}

/// The places of the first image of a kernel's preset, and of its package's. None if the kernel there is
/// another one: after an upgrade that runs on, or with the modules of an older one kept, the image is not this one's.
pub(super) fn places(root: &Root, version: &str) -> Vec<String> {
    let Some((package, preset)) = of_kernel(root, version) else {
        return Vec::new();
    };
    let names = preset.names();
    let first = names.first().map_or(DEFAULT, String::as_str);
    let usual_kernel = format!("/boot/vmlinuz-{package}");
    let kernel = preset.get(&format!("{first}_kver")).or_else(|| preset.get("ALL_kver"));
    let kernel = kernel.unwrap_or(&usual_kernel);
    let built_for = match kernel.contains('/') {
        true => version_of_kernel(&root.path(kernel)),
        false => Some(kernel.to_owned()),
    };
    if built_for.is_some_and(|built_for| built_for != version) {
        return Vec::new();
    }
    let named = preset.get(&format!("{first}_image")).map(str::to_owned);
    let usual = format!("/boot/initramfs-{package}.img");
    named.into_iter().chain([usual]).collect()
}

/// The file of a kernel, as mkinitcpio names it to its post hooks: nothing where there is none.
pub(super) fn kernel_of(root: &Root, version: &str) -> PathBuf {
    let modules = Path::new("/usr/lib/modules").join(version).join("vmlinuz");
    let named = of_kernel(root, version).and_then(|(_, preset)| preset.get("ALL_kver").map(PathBuf::from));
    let mut places = [Some(modules), named].into_iter().flatten();
    let there = places.find(|path| root.path(path).is_file());
    there.map(|path| root.path(path)).unwrap_or_default()
}

/// The other images of a kernel's preset: those for when the first one fails.
pub(super) fn other_images(root: &Root, version: &str) -> Vec<PathBuf> {
    let Some((_, preset)) = of_kernel(root, version) else {
        return Vec::new();
    };
    let names = preset.names();
    let others = names
        .iter()
        .skip(1)
        .filter_map(|name| preset.get(&format!("{name}_image")));
    others.map(PathBuf::from).collect()
}

/// The options of mkinitcpio for an image.
///
/// # Errors
/// When the preset says it in a way that only a shell understands, with where.
pub(super) fn options(root: &Root, version: &str, image: &Path) -> Result<Vec<String>, InstallRefusal> {
    let Some((package, preset)) = of_kernel(root, version) else {
        return Ok(Vec::new());
    };
    let names = preset.names();
    let is_it = |name: &&String| {
        preset
            .get(&format!("{name}_image"))
            .is_some_and(|path| Path::new(path) == image)
    };
    let Some(name) = names.iter().find(is_it).or(names.first()) else {
        return Ok(Vec::new());
    };
    let option = format!("{name}_options");
    shell_words(preset.get(&option).unwrap_or_default()).map_err(|()| InstallRefusal::PresetUnclear {
        preset: Path::new(PRESETS).join(format!("{package}.preset")),
        option,
    })
}

/// The reason for which mkinitcpio would not read `/etc/mkinitcpio.conf.d`. It learnt to in version 38, and does not where a configuration is
/// named.
pub(super) fn no_drop_ins(root: &Root) -> Option<NoDropIns> {
    let program = programs::of_builder(root, Builder::Mkinitcpio)?;
    let text = fs::read_to_string(program).unwrap_or_default();
    if !text.contains("_d_config") {
        return Some(NoDropIns::TooOld);
    }
    let naming = all(root).into_iter().find(|(_, Preset(set))| {
        let mut set = set.iter();
        // The one that mkinitcpio reads in any case changes nothing.
        set.any(|(name, value)| name.ends_with("_config") && !["", CONFIGURATION].contains(&value.as_str()))
    });
    naming.map(|(preset, _)| NoDropIns::ConfigurationNamed(preset))
}

/// The presets that build kernel and initramfs as one file.
pub(super) fn unified(root: &Root) -> Vec<PathBuf> {
    let builds = |(_, Preset(set)): &(PathBuf, Preset)| {
        let mut set = set.iter();
        set.any(|(name, value)| (name.ends_with("_uki") || name.ends_with("_efi_image")) && !value.is_empty())
    };
    all(root).into_iter().filter(builds).map(|(file, _)| file).collect()
}

/// The version in a kernel's file for x86: where its header says, in the kernel's `Documentation/arch/x86/boot.rst`.
fn version_of_kernel(path: &Path) -> Option<String> {
    const MAGIC_AT: usize = 0x202;
    const VERSION_AT: usize = 0x20e;
    /// From which the pointer counts.
    const SECTOR: usize = 0x200;
    const LONGEST: usize = 256;
    let kernel = fs::read(path).ok()?;
    if !kernel.get(MAGIC_AT..)?.starts_with(b"HdrS") {
        return None;
    }
    let [low, high, ..] = kernel.get(VERSION_AT..)? else {
        return None;
    };
    let text = kernel.get(usize::from(u16::from_le_bytes([*low, *high])) + SECTOR..)?;
    let version = text.split(|byte| *byte == b' ' || *byte == 0).next()?;
    let plain = !version.is_empty() && version.len() <= LONGEST;
    String::from_utf8(version.to_vec()).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    fn arch(preset: &str) -> TestRoot {
        let machine = TestRoot::new();
        for version in ["6.9-arch1", "6.10-arch1"] {
            machine.write(&format!("/usr/lib/modules/{version}/pkgbase"), "linux\n");
        }
        machine.write(&format!("{PRESETS}/linux.preset"), preset);
        machine
    }

    fn kernel(version: &str) -> String {
        let mut kernel = "\0".repeat(0x202) + "HdrS\0\0\0\0\0\0\0\0\0\u{1}";
        kernel.push_str(&"\0".repeat(0x300 - kernel.len()));
        kernel + version + " (builder@host) #1 SMP\0"
    }

    const PRESET: &str = "\
PRESETS=('default' 'fallback') # both
ALL_kver='/boot/vmlinuz-linux'
#default_image=\"/boot/old.img\"
default_image=\"/efi/linux.img\" # on the ESP
default_options=\"-A encrypt  -S autodetect\"
fallback_image=/boot/fallback.img
fallback_options=(-S 'autodetect')
";

    #[test]
    fn a_preset_says_what_is_built_and_how() {
        let machine = arch(PRESET);
        let root = machine.root();
        assert_eq!(
            places(&root, "6.10-arch1"),
            ["/efi/linux.img", "/boot/initramfs-linux.img"]
        );
        assert_eq!(other_images(&root, "6.10-arch1"), [Path::new("/boot/fallback.img")]);
        let options = |image: &str| options(&root, "6.10-arch1", Path::new(image));
        assert_eq!(
            options("/efi/linux.img").unwrap(),
            ["-A", "encrypt", "-S", "autodetect"]
        );
        assert_eq!(options("/boot/fallback.img").unwrap(), ["-S", "autodetect"]);
    }

    #[test]
    fn options_that_only_a_shell_understands_are_not_guessed() {
        for value in ["\"-A $extra\"", "(-A \"two words\")", "(-A", "\"-A `x`\""] {
            let machine = arch(&format!("default_image=/boot/a.img\ndefault_options={value}\n"));
            let refused = options(&machine.root(), "6.10-arch1", Path::new("/boot/a.img")).unwrap_err();
            let expected = InstallRefusal::PresetUnclear {
                preset: "/etc/mkinitcpio.d/linux.preset".into(),
                option: "default_options".to_owned(),
            };
            assert_eq!(refused, expected, "{value}");
        }
    }

    #[test]
    fn the_image_is_that_of_the_kernel_beside_it() {
        let machine = arch(PRESET);
        machine.write("/boot/vmlinuz-linux", &kernel("6.10-arch1"));
        assert_eq!(places(&machine.root(), "6.9-arch1"), [""; 0]);
        assert_eq!(places(&machine.root(), "6.10-arch1").len(), 2);
        machine.write("/boot/vmlinuz-linux", &kernel("6.9-arch1"));
        assert_eq!(places(&machine.root(), "6.10-arch1"), [""; 0]);
    }
}
