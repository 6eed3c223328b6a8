//! Functions that the running system needs: its disks and its network.

use reseat_core::address::FunctionAddress;

use crate::model::finding::{Finding, Id, Subject, id};

/// A use of a function by the running system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemUse {
    /// The function.
    pub function: FunctionAddress,
    /// The block device or network interface: `nvme0n1p2`, `eth0`.
    pub device: String,
    /// The kind of use.
    pub kind: SystemUseKind,
}

/// The kinds of use by the running system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemUseKind {
    /// A file system is mounted here.
    Mounted(String),
    /// The system swaps to it.
    Swap,
    /// The kernel command line names it as the root.
    Root,
    /// The default route uses it.
    DefaultRoute,
    /// The interface is up.
    Up,
}

impl SystemUse {
    /// The use as a note.
    pub fn finding(&self) -> Finding {
        let note = Finding::note(self.id(), Subject::function(self.function)).with("device", &self.device);
        match &self.kind {
            SystemUseKind::Mounted(at) => note.with("at", at),
            SystemUseKind::Swap | SystemUseKind::Root | SystemUseKind::DefaultRoute | SystemUseKind::Up => note,
        }
    }

    fn id(&self) -> Id {
        match self.kind {
            SystemUseKind::Mounted(_) => id::SYSTEM_MOUNTED,
            SystemUseKind::Swap => id::SYSTEM_SWAP,
            SystemUseKind::Root => id::SYSTEM_ROOT,
            SystemUseKind::DefaultRoute => id::SYSTEM_DEFAULT_ROUTE,
            SystemUseKind::Up => id::SYSTEM_NETWORK_UP,
        }
    }
}

/// Returns the mounted block devices and their mount points, from `/proc/self/mountinfo`, in its order, the root first.
pub fn mounted(mountinfo: &str) -> Vec<MountedDevice> {
    let mut mounted: Vec<MountedDevice> = mountinfo.lines().filter_map(MountedDevice::parse).collect();
    mounted.sort_by_key(|device| device.at != "/");
    mounted
}

/// A device with a mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedDevice {
    /// The device number, such as `259:2`; that of a file system without a device begins with `0:`.
    pub number: String,
    /// The name, as given when mounting: `/dev/nvme0n1p2`.
    pub source: String,
    /// The mount point.
    pub at: String,
}

impl MountedDevice {
    /// Parses a line, as in `proc_pid_mountinfo(5)`: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(2);
        let (number, _, at) = (mount.next()?, mount.next()?, mount.next()?);
        Some(Self {
            number: number.to_owned(),
            source: file_system.split(' ').nth(1)?.to_owned(),
            at: at.replace("\\040", " "),
        })
    }
}

/// Returns the names of swap devices, from `/proc/swaps`.
pub fn swaps(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next())
}

/// Returns the interfaces of default routes, from `/proc/net/route` and `/proc/net/ipv6_route`.
pub fn default_routes<'a>(ipv4: &'a str, ipv6: &'a str) -> Vec<&'a str> {
    // Interface, destination; flags are fourth, and bit 1 means that the route is up.
    let up = |flags: Option<&str>| {
        flags
            .and_then(|flags| u32::from_str_radix(flags, 16).ok())
            .is_some_and(|it| it & 1 != 0)
    };
    let ipv4 = ipv4.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_default = fields.get(1) == Some(&"00000000") && fields.get(7).is_none_or(|mask| *mask == "00000000");
        (is_default && up(fields.get(3).copied())).then(|| fields.first().copied())?
    });
    // Destination, its length; the interface comes last, after the flags.
    let ipv6 = ipv6.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_default =
            fields.first().is_some_and(|it| it.bytes().all(|byte| byte == b'0')) && fields.get(1) == Some(&"00");
        (is_default && up(fields.get(8).copied())).then(|| fields.get(9).copied())?
    });
    let mut names: Vec<&str> = ipv4.chain(ipv6).filter(|name| *name != "lo").collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_its_device_and_its_place() {
        let text = "22 1 259:3 / /home\\040x rw - ext4 /dev/nvme0n1p3 rw\n\
                    21 1 0:20 / / rw,relatime shared:1 - btrfs /dev/nvme0n1p2 rw\nnonsense\n";
        let found = mounted(text);
        let said = found.iter().map(|it| format!("{} {} {}", it.number, it.source, it.at));
        let said: Vec<String> = said.collect();
        assert_eq!(said, ["0:20 /dev/nvme0n1p2 /", "259:3 /dev/nvme0n1p3 /home x"]);
    }

    #[test]
    fn swaps_are_named_by_the_first_column() {
        let text = "Filename\tType\tSize\n/dev/dm-1 partition 8 0 -2\n";
        assert_eq!(swaps(text).collect::<Vec<_>>(), ["/dev/dm-1"]);
    }

    #[test]
    fn default_routes_are_those_to_everywhere_that_are_up() {
        let ipv4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                    eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\n\
                    eth1\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n\
                    eth2\t00000000\t0102A8C0\t0002\t0\t0\t0\t00000000\n";
        let zero = "0".repeat(32);
        let ipv6 = format!(
            "{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 00000003 eth3\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n"
        );
        assert_eq!(default_routes(ipv4, &ipv6), ["eth0", "eth3"]);
    }
}
