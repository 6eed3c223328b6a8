//! `reseat initramfs` on systems with the real initramfs-tools and the real dracut.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Scene, Stage};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::{Builder, Image, Origin, System};

const RULES: &str = "[[claim]]\nselect = \"0000:01:00.0@10de:2489\"\n";

/// What `reseat initramfs install` brings, which is also in the tree that is installed.
const FILES: [&str; 2] = [
    "/usr/share/initramfs-tools/hooks/reseat",
    "/usr/share/initramfs-tools/scripts/init-top/00reseat",
];

/// Where an installation may write.
const DIRECTORIES: [&str; 6] = [
    "/boot",
    "/etc",
    "/usr/lib/dracut",
    "/usr/lib/systemd/system",
    "/usr/share/initramfs-tools",
    "/var/lib/reseat",
];

/// How it ends.
const DONE: i32 = 0;
const AS_IT_WAS: i32 = 1;
/// Something is missing or stale.
const NOT_IN_ORDER: i32 = 3;
/// Nothing of reseat is there.
const ABSENT: i32 = 3;
const REFUSED: i32 = 4;

/// A machine of a user: its kernel has an image, and GRUB's menu an entry for it.
struct Machine {
    system: System,
    image: String,
    /// What makes it.
    build: Vec<String>,
}

impl Machine {
    fn with_initramfs_tools(stage: &Stage) -> Result<Self> {
        let system = stage.system_without_hooks(Builder::InitramfsTools, RULES)?;
        // There is no /proc in it, so this is what runs.
        system.put(&GuestFile::new(
            "/proc/sys/kernel/osrelease",
            format!("{}\n", system.kernel),
        ))?;
        let image = format!("/boot/initrd.img-{}", system.kernel);
        let build = ["mkinitramfs", "-o", &image, &system.kernel].map(str::to_owned);
        Self::prepare(system, image, build.to_vec())
    }

    fn with_dracut(stage: &Stage, builder: Builder) -> Result<Self> {
        let system = stage.system_without_hooks(builder, RULES)?;
        let image = format!("/boot/initramfs-{}.img", system.kernel);
        let build = ["dracut", "--quiet", "--force", &image, &system.kernel].map(str::to_owned);
        Self::prepare(system, image, build.to_vec())
    }

    fn prepare(system: System, image: String, build: Vec<String>) -> Result<Self> {
        // It has no disks.
        fs::create_dir_all(system.path("/sys/class/block"))?;
        let grub = format!(
            "menuentry 'Debian GNU/Linux' $menuentry_id_option 'simple' {{\n\tlinux /boot/vmlinuz root=LABEL=bed\n\tinitrd \
             {image}\n}}\nsource ${{config_directory}}/custom.cfg\n"
        );
        system.put(&GuestFile::new("/boot/grub/grub.cfg", grub))?;
        let machine = Self { system, image, build };
        machine.build()?;
        Ok(machine)
    }

    /// Builds the image as the distribution does when something is installed.
    fn build(&self) -> Result<()> {
        let build: Vec<_> = self.build.iter().map(String::as_str).collect();
        self.run(&build, DONE).map(drop)
    }

    fn run(&self, command: &[&str], expected: i32) -> Result<String> {
        let output = self.system.command(command)?.output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let status = output.status.code();
        ensure!(
            status == Some(expected),
            "{} ended with {status:?}:\n{said}",
            command.join(" ")
        );
        Ok(said)
    }

    fn reseat(&self, arguments: &[&str], expected: i32) -> Result<String> {
        self.run(&[&["reseat", "initramfs"], arguments].concat(), expected)
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        fs::read(self.system.path(path)).with_context(|| format!("cannot read {path}"))
    }

    /// Everything where an installation may write, by path: permission bits and content.
    fn files(&self) -> Result<BTreeMap<String, (u32, Vec<u8>)>> {
        let mut files = BTreeMap::new();
        for directory in DIRECTORIES {
            collect(&self.system.path(directory), &mut files)?;
        }
        Ok(files)
    }

    fn boots_and_claims(&self, stage: &Stage, name: &str) -> Result<()> {
        let image = Image {
            path: self.system.path(&self.image),
            origin: Origin::Cached,
        };
        let running = Scene::new(stage, name, image)
            .gpu(BoardDesign::new(Vendor::Nvidia, 2))
            .boot()?;
        running.check_claimed("0000:01:00.0")
    }

    fn check_unchanged(&self, before: &BTreeMap<String, (u32, Vec<u8>)>) -> Result<()> {
        let after = self.files()?;
        let names = before.keys().chain(after.keys());
        let changed: Vec<_> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
        ensure!(changed.is_empty(), "these are not as they were: {changed:?}");
        Ok(())
    }
}

fn collect(directory: &Path, files: &mut BTreeMap<String, (u32, Vec<u8>)>) -> Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let there = fs::symlink_metadata(&path)?;
        if there.is_dir() {
            collect(&path, files)?;
        } else if there.is_file() {
            files.insert(
                path.display().to_string(),
                (there.permissions().mode(), fs::read(&path)?),
            );
        }
    }
    Ok(())
}

/// The image is built, looked into and switched to; it boots and claims; the one from before is kept with an entry in the
/// menu; rules that change are noticed; and the way back ends where it began.
pub(crate) fn by_initramfs_tools_and_back(stage: &Stage) -> Result<()> {
    let machine = Machine::with_initramfs_tools(stage)?;
    let before = machine.files()?;
    let original = machine.bytes(&machine.image)?;
    let kept = format!("{}.before-reseat", machine.image);
    machine.reseat(&["status"], ABSENT)?;
    machine.reseat(&["install", "--dry-run"], DONE)?;
    machine.check_unchanged(&before).context("after a dry run")?;

    machine.reseat(&["install"], DONE)?;
    for file in FILES {
        ensure!(
            machine.bytes(file)? == stage.installed_file(file)?,
            "{file} is another one"
        );
    }
    ensure!(machine.bytes(&machine.image)? != original, "the image is the old one");
    ensure!(machine.bytes(&kept)? == original, "the image from before was not kept");
    let menu = String::from_utf8(machine.bytes("/boot/grub/custom.cfg")?)?;
    ensure!(
        menu.contains(&format!("initrd {kept}\n")),
        "the menu has no entry for it:\n{menu}"
    );
    let status = machine.reseat(&["status"], DONE)?;
    ensure!(
        status.contains("has the claim, with what is on this machine"),
        "{status}"
    );

    machine.boots_and_claims(stage, "install")?;

    // The classic mistake: rules that are changed, and an image that is not.
    machine.system.put(&GuestFile::new(
        "/etc/reseat/reseat.toml",
        "[[claim]]\nselect = \"gpu\"\n",
    ))?;
    let status = machine.reseat(&["status"], NOT_IN_ORDER)?;
    ensure!(
        status.contains("its rules are not those in /etc/reseat/reseat.toml"),
        "{status}"
    );
    machine.reseat(&["install"], DONE)?;
    machine.reseat(&["status"], DONE)?;
    ensure!(
        machine.bytes(&kept)? == original,
        "the image without reseat was not kept"
    );
    machine.system.put(&GuestFile::new("/etc/reseat/reseat.toml", RULES))?;

    machine.reseat(&["remove"], DONE)?;
    machine.check_unchanged(&before).context("after the removal")?;
    machine.reseat(&["status"], ABSENT)?;

    // Whatever was built anew in between is not thrown away for an older image.
    machine.reseat(&["install"], DONE)?;
    machine.system.put(&GuestFile::executable(
        "/etc/initramfs-tools/hooks/newer",
        HOOK.replace("DO", ": > \"$DESTDIR/newer\""),
    ))?;
    machine.build()?;
    let said = machine.reseat(&["remove"], DONE)?;
    ensure!(said.contains("built a new image, without reseat"), "{said}");
    let list = machine.run(&["lsinitramfs", &machine.image], DONE)?;
    ensure!(
        list.lines().any(|name| name == "newer") && !list.contains("reseat"),
        "{list}"
    );
    ensure!(!machine.system.path(&kept).exists(), "{kept} was left behind");
    Ok(())
}

/// A hook of somebody else.
const HOOK: &str = "#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\nDO\n";

/// A build that fails, an image that lacks something, a boot loader that wants nothing to do with it, and a refusal leave
/// every file as it was.
pub(crate) fn what_goes_wrong_changes_nothing(stage: &Stage) -> Result<()> {
    let machine = Machine::with_initramfs_tools(stage)?;
    let breaking = |place: &str, what: &str, expected: &str| {
        machine
            .system
            .put(&GuestFile::executable(place, HOOK.replace("DO", what)))?;
        let before = machine.files()?;
        let said = machine.reseat(&["install"], AS_IT_WAS)?;
        ensure!(said.contains(expected), "{said}");
        machine
            .check_unchanged(&before)
            .with_context(|| format!("after `{what}`"))?;
        machine.reseat(&["status"], ABSENT)?;
        fs::remove_file(machine.system.path(place)).context("cannot remove the hook")
    };
    let hook = "/etc/initramfs-tools/hooks/zz-other";
    breaking(hook, "exit 1", "zz-other failed")?;
    breaking(
        hook,
        "rm \"$DESTDIR/usr/sbin/reseat-claim\"",
        "reseat-claim is not in it",
    )?;
    breaking(
        hook,
        "rm \"$DESTDIR/etc/reseat/reseat.toml\"",
        "the rules (/etc/reseat/reseat.toml) are not in it",
    )?;
    breaking(
        LOADER,
        // It takes the image from before again.
        "[ -e /run/told ] || { : > /run/told; echo no room here; exit 1; }",
        "no room here",
    )?;

    // A disk whose key hangs on what is booted: the head of a LUKS2 device, its text at 4096.
    let mut head = b"LUKS\xba\xbe\0\x02\0\0\0\0\0\0\x40\0".to_vec();
    head.resize(4096, 0);
    head.extend(br#"{"tokens":{"0":{"type":"systemd-tpm2","keyslots":["1"],"tpm2-pcrs":[7,9]}}}"#);
    head.resize(0x4000, 0);
    machine.system.put(&GuestFile::new("/dev/sda3", head))?;
    machine
        .system
        .put(&GuestFile::new("/sys/class/block/sda3/size", "2048\n"))?;
    let before = machine.files()?;
    let said = machine.reseat(&["install"], REFUSED)?;
    ensure!(
        said.contains("/dev/sda3 is bound to TPM register 9") && said.contains("--force"),
        "{said}"
    );
    machine.check_unchanged(&before).context("after a refusal")?;
    machine.reseat(&["install", "--force"], DONE)?;
    machine.reseat(&["status"], DONE).map(drop)
}

/// Killed behind the switch; then a package's update has the image built anew, by the hook that is there. The removal takes
/// reseat out of that image, and its entry out of the menu.
pub(crate) fn cut_off_and_then_updated(stage: &Stage) -> Result<()> {
    let machine = Machine::with_initramfs_tools(stage)?;
    let loader = |script: &str| {
        let script = format!("#!/bin/sh\n{script}\n");
        machine.system.put(&GuestFile::executable(LOADER, script))
    };
    loader("kill -9 $PPID")?;
    let mut before = machine.files()?;
    let killed = machine.system.command(&["reseat", "initramfs", "install"])?.output()?;
    ensure!(!killed.status.success(), "it was to be killed");
    let status = machine.reseat(&["status"], NOT_IN_ORDER)?;
    ensure!(status.contains("an installation was cut off"), "{status}");

    loader("exit 0")?;
    machine.build()?;
    machine.boots_and_claims(stage, "install-cut-off")?;
    let said = machine.reseat(&["remove"], DONE)?;
    ensure!(said.contains("built a new image, without reseat"), "{said}");
    machine.reseat(&["status"], ABSENT)?;
    let list = machine.run(&["lsinitramfs", &machine.image], DONE)?;
    ensure!(!list.contains("reseat"), "{list}");
    // What it holds is as new as the update; all else is as it was.
    let image = machine.system.path(&machine.image).display().to_string();
    let anew = fs::metadata(&image)?.permissions().mode();
    before.insert(image.clone(), (anew, fs::read(&image)?));
    loader("kill -9 $PPID")?;
    machine.check_unchanged(&before).context("after the removal")
}

/// What is run when an image was built.
const LOADER: &str = "/etc/initramfs/post-update.d/loader";

/// The same by dracut. An image with systemd is looked into; that those boot is another story's.
pub(crate) fn by_dracut_and_back(stage: &Stage) -> Result<()> {
    let with_systemd = Machine::with_dracut(stage, Builder::DracutSystemd)?;
    // There, what runs is the host's kernel.
    let kernel = with_systemd.system.kernel.clone();
    with_systemd.reseat(&["install"], REFUSED)?;
    with_systemd.reseat(&["install", "--kernel", &kernel], DONE)?;
    with_systemd.reseat(&["status"], DONE)?;
    drop(with_systemd);

    let machine = Machine::with_dracut(stage, Builder::Dracut)?;
    let before = machine.files()?;
    machine.reseat(&["install", "--kernel", &kernel], DONE)?;
    let status = machine.reseat(&["status"], DONE)?;
    ensure!(status.contains("builder: dracut"), "{status}");
    machine.boots_and_claims(stage, "install-dracut")?;
    machine.reseat(&["remove"], DONE)?;
    machine.check_unchanged(&before).context("after the removal")
}
