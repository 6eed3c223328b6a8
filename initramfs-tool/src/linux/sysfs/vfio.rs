//! Registers behind a BAR, through VFIO's group interface.
//!
//! What opening and closing do to the device is for [`mod@crate::linux::recover`] to see to. The boot claim opens none.

use std::path::Path;

use reseat_core::health::NotRead;
use reseat_core::vendor::BarRegister;

#[cfg(feature = "operator")]
mod group {
    use std::sync::Arc;

    pub(crate) use vfio_ioctls::VfioError as OpenError;
    use vfio_ioctls::{VfioContainer, VfioDevice};

    use super::{BarRegister, NotRead, Path};

    /// A function that is open.
    pub(crate) struct Device(VfioDevice);

    impl Device {
        /// Opens the function at `directory` in sysfs, of the running machine: VFIO's own files are found in `/dev` only.
        ///
        /// # Errors
        /// When VFIO refuses, since its group is open already, for one.
        pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
            let container = Arc::new(VfioContainer::new(None)?);
            VfioDevice::new(directory, container, false).map(Self)
        }

        /// Reads one register: a single access of 32 bits.
        ///
        /// # Errors
        /// When the kernel did not.
        pub(crate) fn read(&self, register: BarRegister) -> Result<u32, NotRead> {
            // A read that fails says nothing and leaves what was there.
            let read = |fill: u32| {
                let mut dword = fill.to_ne_bytes();
                self.0
                    .region_read(u32::from(register.bar), &mut dword, u64::from(register.offset));
                u32::from_ne_bytes(dword)
            };
            let fill = 0x5eed_5eed;
            match read(fill) {
                value if value != fill => Ok(value),
                _ if read(!fill) == !fill => Err(NotRead::Failed),
                _ => Ok(fill),
            }
        }
    }
}

#[cfg(not(feature = "operator"))]
mod group {
    use super::{BarRegister, NotRead, Path};

    /// This program opens no VFIO device.
    #[derive(Debug, thiserror::Error)]
    #[error("this program opens no VFIO device")]
    pub(crate) struct OpenError;

    /// A function that is never open.
    pub(crate) enum Device {}

    impl Device {
        pub(crate) fn open(_: &Path) -> Result<Self, OpenError> {
            Err(OpenError)
        }

        pub(crate) fn read(&self, _: BarRegister) -> Result<u32, NotRead> {
            match *self {}
        }
    }
}

pub(crate) use group::Device;
