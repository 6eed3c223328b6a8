//! The available resets.
//!
//! Linux's conditions are the minimum: if the kernel would refuse a reset, it is refused here.
//! [`Place::listed_in_vain`] covers the resets that the kernel lists although they cannot work.

use super::domain::Domain;
use super::function::{Bridge, Cxl, Fact, HotplugOwner, Power, Role, Slot};
use super::method::{Method, MissingFact, ResetUnavailable};
use super::place::Place;
use crate::capability::power_management::PowerState;
use crate::presence::{PortLink, Readiness};
use crate::quirk::{Effect, RESETS, decided};

impl<'t> Place<'t> {
    /// Returns the functions affected if this function is reset by `method`.
    ///
    /// # Errors
    ///
    /// The reason why the reset is impossible, or not known to be possible. If there are several, the most lasting one:
    /// the kind of function precedes its current answer.
    pub fn reset(self, method: Method) -> Result<Domain<'t>, ResetUnavailable> {
        self.endpoint()?;
        match method {
            Method::Flr => self.flr(self.function().flr),
            Method::AdvancedFeaturesFlr => self.flr(self.function().advanced_features_flr),
            Method::PowerManagement => self.power_management(),
            Method::Bus => self.bus(Self::not_masked_for_linux),
            Method::CxlBus => self.bus(Self::cxl),
            Method::HotReset => self.hot_reset(),
            Method::DetachSbr => self.detach_sbr(),
            Method::SlotPower => self.slot_power(),
        }
    }

    /// Returns the reason why a method cannot work although Linux lists it in `reset_method`.
    ///
    /// Linux builds the list before the function's siblings exist, so the first function on a bus lists `bus`. For
    /// `bus`, Linux ignores the bridge's quirks and everything else below, and lists it for every function below a CXL
    /// port that masks the reset. For `pm`, it ignores the power state.
    pub fn listed_in_vain(self, method: Method) -> Option<ResetUnavailable> {
        let why = self.reset(method).err()?;
        let listed = match (method, why) {
            (Method::PowerManagement, ResetUnavailable::NotInD0(_)) => true,
            (
                Method::Bus,
                ResetUnavailable::Sibling(_)
                | ResetUnavailable::Bridge
                | ResetUnavailable::Quirk(_)
                | ResetUnavailable::CxlSbrMasked,
            ) => self.lists_bus(),
            _ => false,
        };
        listed.then_some(why)
    }

    /// Returns true if the kernel lists `bus` when it has found only the functions before this one.
    fn lists_bus(self) -> bool {
        let Some(bridge) = self.port_above().and_then(|port| port.function().bridge()) else {
            return false;
        };
        if matches!(bridge.cxl, Cxl::SbrMasked | Cxl::NotInUse) {
            return true;
        }
        let own_quirk = decided(RESETS, &self.subject(), Effect::NoBusReset).is_some();
        let before = self.index.checked_sub(1).and_then(|index| self.topology.place(index));
        let first = before.is_none_or(|before| !before.is_on_bus_of(self));
        !own_quirk && first
    }

    fn is_on_bus_of(self, other: Self) -> bool {
        let bus = |place: Self| (place.address().segment(), place.address().bus());
        bus(self) == bus(other)
    }

    /// Returns the functions affected by any reset at the card root, available or not.
    ///
    /// # Errors
    ///
    /// The reason why there is none for this function.
    pub fn card(self) -> Result<Domain<'t>, ResetUnavailable> {
        self.endpoint()?;
        let (root, _) = self.port_for_all_below(self.card_root())?;
        Ok(Domain::below(self, root))
    }

    fn endpoint(self) -> Result<(), ResetUnavailable> {
        match self.function().role {
            Role::Endpoint => Ok(()),
            Role::Bridge(_) => Err(ResetUnavailable::Bridge),
            Role::Unknown => Err(ResetUnavailable::NotKnown(MissingFact::Role)),
        }
    }

    fn flr(self, offer: Fact) -> Result<Domain<'t>, ResetUnavailable> {
        match offer {
            Fact::Yes => {}
            Fact::No => return Err(ResetUnavailable::NotOffered),
            Fact::Unknown => return Err(ResetUnavailable::NotKnown(MissingFact::Offer)),
        }
        self.not_forbidden(Effect::NoFlr)?;
        self.answers()?;
        Ok(Domain::of_function(self))
    }

    fn power_management(self) -> Result<Domain<'t>, ResetUnavailable> {
        let (no_soft_reset, state) = match self.function().power {
            Power::Present { no_soft_reset, state } => (no_soft_reset, state),
            Power::None => return Err(ResetUnavailable::NotOffered),
            Power::Unknown => return Err(ResetUnavailable::NotKnown(MissingFact::Offer)),
        };
        match no_soft_reset {
            Fact::No => {}
            Fact::Yes => return Err(ResetUnavailable::NoSoftReset),
            Fact::Unknown => return Err(ResetUnavailable::NotKnown(MissingFact::NoSoftReset)),
        }
        self.not_forbidden(Effect::NoPowerManagementReset)?;
        self.answers()?;
        match state {
            Some(PowerState::D0) => Ok(Domain::of_function(self)),
            Some(state) => Err(ResetUnavailable::NotInD0(state)),
            None => Err(ResetUnavailable::NotKnown(MissingFact::PowerState)),
        }
    }

    fn bus(self, cxl: fn(&Bridge) -> Result<(), ResetUnavailable>) -> Result<Domain<'t>, ResetUnavailable> {
        let (port, bridge) = self.port_for_all_below(self.port_above())?;
        let neighbours = [self.index.checked_sub(1), self.index.checked_add(1)];
        let mut neighbours = neighbours.into_iter().filter_map(|index| self.topology.place(index?));
        if let Some(sibling) = neighbours.find(|neighbour| neighbour.is_on_bus_of(self)) {
            return Err(ResetUnavailable::Sibling(sibling.address()));
        }
        port.bus_reset_allowed()?;
        cxl(bridge)?;
        Ok(Domain::below(self, port))
    }

    fn hot_reset(self) -> Result<Domain<'t>, ResetUnavailable> {
        let (port, bridge) = self.port_for_all_below(self.port_above())?;
        port.bus_reset_allowed()?;
        Self::not_masked(bridge)?;
        Ok(Domain::below(self, port))
    }

    fn detach_sbr(self) -> Result<Domain<'t>, ResetUnavailable> {
        let (root, bridge) = self.port_for_all_below(self.card_root())?;
        root.bus_reset_allowed()?;
        Self::not_masked(bridge)?;
        match bridge.slot {
            // No component waits for the effect of the reset on the link.
            Slot::None
            | Slot::Present { hot_plug: Fact::No, .. }
            | Slot::Present {
                owner: HotplugOwner::Nobody,
                ..
            } => {}
            Slot::Present { owner, .. } => owned_by_system(owner)?,
            Slot::Unknown => return Err(ResetUnavailable::NotKnown(MissingFact::Slot)),
        }
        Ok(Domain::below(self, root))
    }

    fn slot_power(self) -> Result<Domain<'t>, ResetUnavailable> {
        let (root, bridge) = self.port_for_all_below(self.card_root())?;
        let (hot_plug, power_controller, owner) = match bridge.slot {
            Slot::None => return Err(ResetUnavailable::NoSlot),
            Slot::Present {
                hot_plug,
                power_controller,
                owner,
            } => (hot_plug, power_controller, owner),
            Slot::Unknown => return Err(ResetUnavailable::NotKnown(MissingFact::Slot)),
        };
        match (hot_plug, power_controller) {
            (Fact::No, _) => return Err(ResetUnavailable::NotHotPlug),
            (_, Fact::No) => return Err(ResetUnavailable::NoPowerController),
            (Fact::Unknown, _) => return Err(ResetUnavailable::NotKnown(MissingFact::Slot)),
            (_, Fact::Unknown) => return Err(ResetUnavailable::NotKnown(MissingFact::PowerController)),
            (Fact::Yes, Fact::Yes) => {}
        }
        owned_by_system(owner)?;
        Ok(Domain::below(self, root))
    }

    /// Returns the port that resets everything together.
    fn port_for_all_below(self, port: Option<Self>) -> Result<(Self, &'t Bridge), ResetUnavailable> {
        if self.function().physical_function.is_some() {
            return Err(ResetUnavailable::VirtualFunction);
        }
        let port = port.ok_or(ResetUnavailable::RootBus)?;
        let bridge = port.function().bridge().ok_or(ResetUnavailable::RootBus)?;
        if !port.range_below().contains(&self.index) {
            return Err(ResetUnavailable::NotKnown(MissingFact::Buses));
        }
        Ok((port, bridge))
    }

    fn not_forbidden(self, effect: Effect) -> Result<(), ResetUnavailable> {
        match decided(RESETS, &self.subject(), effect) {
            Some(_) => Err(ResetUnavailable::Quirk(self.address())),
            None => Ok(()),
        }
    }

    /// Checks that no quirk of a port or of anything below it forbids a bus reset.
    fn bus_reset_allowed(self) -> Result<(), ResetUnavailable> {
        self.not_forbidden(Effect::NoBusReset)?;
        let below = self.range_below();
        let first = self.topology.place(below.start);
        let forbidden = first.and_then(|first| self.topology.follow(first.node.no_bus_reset));
        match forbidden {
            Some(place) if below.contains(&place.index) => Err(ResetUnavailable::Quirk(place.address())),
            _ => Ok(()),
        }
    }

    /// Checks that the function may be written to.
    fn answers(self) -> Result<(), ResetUnavailable> {
        let link = self.port_above().and_then(|port| port.function().bridge());
        match link.map(|bridge| bridge.link) {
            None | Some(PortLink::Active | PortLink::NotReported) => {}
            Some(PortLink::Inactive) => return Err(ResetUnavailable::LinkInactive),
            Some(PortLink::Unreadable) => return Err(ResetUnavailable::NotKnown(MissingFact::Link)),
        }
        match self.function().readiness {
            Some(Readiness::Ready(_) | Readiness::HalfInitialised(_)) => Ok(()),
            Some(readiness) => Err(ResetUnavailable::NotAnswering(readiness)),
            None => Err(ResetUnavailable::NotKnown(MissingFact::Readiness)),
        }
    }

    fn not_masked(bridge: &Bridge) -> Result<(), ResetUnavailable> {
        match bridge.cxl {
            Cxl::None | Cxl::SbrUnmasked | Cxl::NotInUse => Ok(()),
            Cxl::SbrMasked => Err(ResetUnavailable::CxlSbrMasked),
            Cxl::Unknown => Err(ResetUnavailable::NotKnown(MissingFact::Cxl)),
        }
    }

    /// Checks the mask as Linux's `bus` method does: it reads Unmask SBR alone (`cxl_sbr_masked()`).
    fn not_masked_for_linux(bridge: &Bridge) -> Result<(), ResetUnavailable> {
        match bridge.cxl {
            Cxl::NotInUse => Err(ResetUnavailable::CxlSbrMasked),
            _ => Self::not_masked(bridge),
        }
    }

    fn cxl(bridge: &Bridge) -> Result<(), ResetUnavailable> {
        match bridge.cxl {
            Cxl::SbrMasked | Cxl::NotInUse | Cxl::SbrUnmasked => Ok(()),
            Cxl::None => Err(ResetUnavailable::NotCxl),
            Cxl::Unknown => Err(ResetUnavailable::NotKnown(MissingFact::Cxl)),
        }
    }
}

fn owned_by_system(owner: HotplugOwner) -> Result<(), ResetUnavailable> {
    match owner {
        HotplugOwner::Os => Ok(()),
        HotplugOwner::Firmware => Err(ResetUnavailable::FirmwareOwnsHotplug),
        HotplugOwner::Acpi => Err(ResetUnavailable::AcpiOwnsHotplug),
        HotplugOwner::Nobody => Err(ResetUnavailable::NotHotPlug),
        HotplugOwner::Unknown => Err(ResetUnavailable::NotKnown(MissingFact::HotplugOwner)),
    }
}
