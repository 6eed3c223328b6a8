//! Child processes: started, limited, killed and abandoned here.

pub(crate) mod frame;
pub(crate) mod program;
