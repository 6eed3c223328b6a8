//! The previous image in the boot menu: a copy of the entry that boots the present image.
//!
//! An entry is copied and nothing is regenerated, so the menu's order, its default and the user's own entries do not
//! change.

use std::path::Path;

use super::plan::KEPT_SUFFIX;

/// The suffix of the copied entry's title.
const TITLE: &str = "before reseat";

/// The marks around reseat's part of a shared file.
const BEGIN: &str =
    "# reseat: the image from before `reseat initramfs install`; `reseat initramfs remove` takes this away";
const END: &str = "# reseat: end";

/// The text after [`BEGIN`] in its line if the file existed but was empty, or its last line had no line feed.
const EMPTY: &str = " (in an empty file)";
const UNENDED: &str = " (behind a line without a line feed)";

/// GRUB's file for the user's own entries. GRUB's configuration reads it if it exists.
pub const GRUB_CUSTOM: &str = "custom.cfg";

/// Returns a copy of the entry in GRUB's configuration that boots `image` (its [`tail`]), with the kept image instead.
/// `None` if there is no such entry, or if the configuration does not read [`GRUB_CUSTOM`].
#[must_use]
pub fn grub_entry(configuration: &str, image: &str) -> Option<String> {
    if !reads_custom(configuration) {
        return None;
    }
    let lines: Vec<&str> = configuration.lines().collect();
    let begins = |line: &&str| line.trim_start().starts_with("menuentry ");
    let starts = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| begins(line))
        .map(|(at, _)| at);
    let entries = starts.filter_map(|at| {
        let entry = lines.get(at..)?;
        let length = entry.iter().position(|line| line.trim() == "}")?;
        entry.get(..=length)
    });
    let mut booting = entries.filter(|entry| {
        let loads = |line: &&str| words_of(line).any(|word| is_image(word, image));
        entry
            .iter()
            .any(|line| line.trim_start().starts_with("initrd") && loads(line))
    });
    // The first entry is the plain one; the recovery variants follow it.
    let entry = booting.next()?;
    let mut text = String::new();
    for line in entry {
        let line = match line.trim_start() {
            start if start.starts_with("initrd") => with_kept(line, image),
            start if start.starts_with("menuentry ") => grub_title(line),
            _ => (*line).to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Some(text)
}

/// Returns true if GRUB's configuration reads [`GRUB_CUSTOM`].
#[must_use]
pub fn reads_custom(configuration: &str) -> bool {
    let mut lines = configuration.lines();
    lines.any(|line| line.trim_start().starts_with("source") && line.contains(GRUB_CUSTOM))
}

fn words_of(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().skip(1)
}

/// Returns the part of an image's path that distinguishes it from other kernels' images: the name, or with the
/// directory if every kernel has its own. Menus have the path on the partition, which differs from that on the machine.
#[must_use]
pub fn tail(image: &Path) -> String {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    match (name(image).as_str(), image.parent()) {
        ("initrd", Some(above)) => format!("{}/initrd", name(above)),
        (file, _) => file.to_owned(),
    }
}

fn is_image(word: &str, tail: &str) -> bool {
    word.strip_suffix(tail)
        .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// The words after the first, with the image replaced.
fn with_kept(line: &str, image: &str) -> String {
    let start = line.trim_start();
    let indent = line.strip_suffix(start).unwrap_or_default();
    let key = start.split_whitespace().next().unwrap_or_default();
    let mut text = format!("{indent}{key}");
    for word in words_of(line) {
        let suffix = if is_image(word, image) { KEPT_SUFFIX } else { "" };
        text.push_str(&format!(" {word}{suffix}"));
    }
    text
}

/// Replaces the title and the identifier: the first and the last quoted text.
fn grub_title(line: &str) -> String {
    let quote = if line.contains('\'') { '\'' } else { '"' };
    let mut parts: Vec<String> = line.split(quote).map(str::to_owned).collect();
    if let Some(title) = parts.get_mut(1) {
        title.push_str(&format!(" ({TITLE})"));
    }
    let last = parts.len().saturating_sub(2);
    if let Some(identifier) = parts.get_mut(last).filter(|_| last > 1) {
        identifier.push_str("-before-reseat");
    }
    parts.join(&quote.to_string())
}

/// Returns the user's file (possibly none) with our entries at its end and any older ones removed. `None` if nothing
/// remains.
#[must_use]
pub fn with_entries(file: Option<&[u8]>, entries: &[String]) -> Option<Vec<u8>> {
    let file = file.and_then(without_entries);
    if entries.is_empty() {
        return file;
    }
    let before = match file.as_deref() {
        None => "",
        Some([]) => EMPTY,
        Some([.., b'\n']) => "",
        Some(_) => UNENDED,
    };
    let mut text = file.unwrap_or_default();
    if before == UNENDED {
        text.push(b'\n');
    }
    text.extend(format!("{BEGIN}{before}\n{}{END}\n", entries.concat()).bytes());
    Some(text)
}

/// Returns the file without our entries, as it was before. `None` if it did not exist.
#[must_use]
pub fn without_entries(file: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let mut text = Vec::new();
    let (mut at, mut was_there) = (0, file.is_empty());
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some(before) = line.trim_ascii_end().strip_prefix(BEGIN.as_bytes()) else {
            text.extend_from_slice(line);
            continue;
        };
        was_there |= before == EMPTY.as_bytes();
        let rest = lines.get(at..).unwrap_or_default();
        at += length_of_ours(rest);
        if before == UNENDED.as_bytes() && at == lines.len() {
            text.pop();
        }
    }
    (was_there || !text.is_empty()).then_some(text)
}

/// The number of lines after [`BEGIN`] that are ours: up to [`END`], or our entries if that line was removed.
fn length_of_ours(lines: &[&[u8]]) -> usize {
    let is = |line: &&[u8], text: &str| line.trim_ascii() == text.as_bytes();
    if let Some(end) = lines.iter().position(|line| is(line, END)) {
        return end + 1;
    }
    let title = format!("({TITLE})");
    let mut length = 0;
    while let Some(line) = lines.get(length)
        && line.trim_ascii_start().starts_with(b"menuentry ")
        && String::from_utf8_lossy(line).contains(&title)
        && let Some(end) = lines.iter().skip(length).position(|line| is(line, "}"))
    {
        length += end + 1;
    }
    length
}

/// Returns a Boot Loader Specification file (systemd-boot's entries, and Fedora's for GRUB) with the kept image instead
/// of `image` (its [`tail`]). `None` if it does not boot that image.
#[must_use]
pub fn loader_entry(file: &str, image: &str) -> Option<String> {
    let key = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let boots = |line: &str| key(line).as_deref() == Some("initrd") && words_of(line).any(|word| is_image(word, image));
    if !file.lines().any(boots) {
        return None;
    }
    let mut text = String::new();
    for line in file.lines() {
        match key(line).as_deref() {
            Some("initrd") => text.push_str(&with_kept(line, image)),
            Some("title") => text.push_str(&format!("{} ({TITLE})", line.trim_end())),
            // Entries without a sort key come after those with one, and so are never the default.
            Some("sort-key") => continue,
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    Some(text)
}

/// Returns the path of the image on its partition, from a Boot Loader Specification file.
#[must_use]
pub fn loader_image<'a>(file: &'a str, image: &str) -> Option<&'a str> {
    let mut initrd = file
        .lines()
        .filter(|line| line.split_whitespace().next() == Some("initrd"));
    initrd.find_map(|line| words_of(line).find(|word| is_image(word, image)))
}

/// Returns true if reseat copied this Boot Loader Specification file.
#[must_use]
pub fn is_own_loader_entry(name: &str, file: &str) -> bool {
    name.ends_with("~before-reseat.conf") && file.contains(KEPT_SUFFIX)
}

/// Returns the name of the copied file: it sorts after its original, by the specification's order of versions.
#[must_use]
pub fn loader_entry_name(original: &str) -> Option<String> {
    let name = original.strip_suffix(".conf")?;
    let name = without_counter(name);
    (!name.ends_with("~before-reseat")).then(|| format!("{name}~before-reseat.conf"))
}

/// Removes the boot counter, `+LEFT` or `+LEFT-DONE`, which belongs to the original. Versions may contain a plus as
/// well.
fn without_counter(name: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once('+') {
        Some((before, counter)) if counter.splitn(2, '-').all(is_number) => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "initrd.img-6.1.0-50-amd64";

    const GRUB: &str = "\
set default=\"0\"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1234' {
\tinsmod ext2
\tif [ x$grub_platform = xxen ]; then insmod xzio; fi
\tlinux\t/boot/vmlinuz-6.1.0-50-amd64 root=UUID=1234 ro quiet
\tinitrd\t/boot/microcode.img /boot/initrd.img-6.1.0-50-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1234' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-50-amd64 (recovery mode)' --class debian $menuentry_id_option 'gnulinux-r' {
\t\tlinux\t/boot/vmlinuz-6.1.0-50-amd64 root=UUID=1234 ro single
\t\tinitrd\t/boot/initrd.img-6.1.0-50-amd64
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-5-amd64' --class debian $menuentry_id_option 'gnulinux-o' {
\t\tinitrd\t/boot/initrd.img-6.1.0-5-amd64
\t}
}
if [ -f  ${config_directory}/custom.cfg ]; then
  source ${config_directory}/custom.cfg
fi
";

    #[test]
    fn the_entry_of_grub_is_copied_with_the_kept_image() {
        let expected = "\
menuentry 'Debian GNU/Linux (before reseat)' --class debian $menuentry_id_option 'gnulinux-simple-1234-before-reseat' {
\tinsmod ext2
\tif [ x$grub_platform = xxen ]; then insmod xzio; fi
\tlinux\t/boot/vmlinuz-6.1.0-50-amd64 root=UUID=1234 ro quiet
\tinitrd /boot/microcode.img /boot/initrd.img-6.1.0-50-amd64.before-reseat
}
";
        assert_eq!(grub_entry(GRUB, IMAGE).unwrap(), expected);
        let older = grub_entry(GRUB, "initrd.img-6.1.0-5-amd64").unwrap();
        assert!(
            older.contains("initrd /boot/initrd.img-6.1.0-5-amd64.before-reseat"),
            "{older}"
        );
        assert_eq!(grub_entry(GRUB, "initrd.img-6.12.0-amd64"), None);
        assert_eq!(grub_entry(&GRUB.replace("custom.cfg", "other.cfg"), IMAGE), None);
    }

    #[test]
    fn what_others_wrote_beside_our_entries_stays_byte_for_byte() {
        let entry = |title: &str| [format!("menuentry '{title} (before reseat)' {{\n\tinitrd /i\n}}\n")];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let befores: [Option<&[u8]>; 5] = [
            None,
            Some(b""),
            Some(b"menuentry 'mine' {\n}\n"),
            Some(b"no line feed"),
            Some(b"# caf\xe9, no UTF-8\n"),
        ];
        for before in befores {
            let once = with_entries(before, &entry("a")).unwrap();
            let twice = with_entries(Some(&once), &entry("b")).unwrap();
            let (first, second) = (text(&once), text(&twice));
            assert!(
                first.contains("'a ") && second.contains("'b ") && !second.contains("'a "),
                "{second}"
            );
            assert_eq!(without_entries(&twice).as_deref(), before, "{second}");
            assert_eq!(with_entries(Some(&twice), &[]).as_deref(), before, "{second}");
            // The user added lines after our entries, and removed our last line.
            let theirs: &[u8] = b"menuentry 'later' {\n}\n";
            let cut = twice.strip_suffix(b"# reseat: end\n").unwrap();
            for ours in [&twice, cut] {
                let left = without_entries(&[ours, theirs].concat()).unwrap();
                let shown = text(&left);
                assert!(left.ends_with(theirs) && !shown.contains("before reseat"), "{shown}");
                assert!(left.starts_with(before.unwrap_or_default()), "{shown}");
            }
        }
    }

    #[test]
    fn a_title_may_stand_in_either_quotes() {
        let grub = GRUB.replace('\'', "\"");
        let entry = grub_entry(&grub, IMAGE).unwrap();
        assert!(
            entry.starts_with("menuentry \"Debian GNU/Linux (before reseat)\" --class debian"),
            "{entry}"
        );
    }

    #[test]
    fn a_loader_entry_is_copied_and_does_not_become_the_default() {
        let file = "title Fedora\nsort-key fedora\nversion 6.1\nlinux /6.1/linux\ninitrd /ucode.img /6.1/initrd\noptions quiet\n";
        let expected = "title Fedora (before reseat)\nversion 6.1\nlinux /6.1/linux\ninitrd /ucode.img /6.1/initrd.before-reseat\noptions quiet\n";
        assert_eq!(
            loader_entry(file, &tail(Path::new("/efi/6.1/initrd"))).unwrap(),
            expected
        );
        assert_eq!(loader_entry(file, &tail(Path::new("/efi/6.12/initrd"))), None);
        assert_eq!(
            loader_entry_name("fedora-6.1.conf").unwrap(),
            "fedora-6.1~before-reseat.conf"
        );
        assert_eq!(
            loader_entry_name("fedora-6.1+3-0.conf").unwrap(),
            "fedora-6.1~before-reseat.conf"
        );
        assert_eq!(
            loader_entry_name("fedora-6.1+3.conf").unwrap(),
            "fedora-6.1~before-reseat.conf"
        );
        assert_eq!(loader_entry_name("fedora-6.1~before-reseat.conf"), None);
    }

    /// Debian's versions contain a plus: two of them would share a name.
    #[test]
    fn a_plus_in_a_version_is_no_counter_of_tries() {
        for kernel in [
            "6.12.117+deb13-amd64",
            "6.12.117+deb13-rt-amd64",
            "6.1+3-rc1",
            "6.1+",
            "6.1+-1",
            "6.1+1-",
        ] {
            let copy = format!("debian-{kernel}~before-reseat.conf");
            for counter in ["", "+3", "+2-1"] {
                let name = format!("debian-{kernel}{counter}.conf");
                assert_eq!(loader_entry_name(&name).unwrap(), copy, "{name}");
            }
        }
    }
}
