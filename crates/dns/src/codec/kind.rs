//! Record types and response codes.

use std::fmt;

/// A record type; unknown ones are carried along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(pub(crate) u16);

macro_rules! kinds {
    ($($name:ident $number:literal)*) => {
        impl Kind {
            $(pub(crate) const $name: Kind = Kind($number);)*
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Kind::$name => f.write_str(stringify!($name)),)*
                    Kind(other) => write!(f, "TYPE{other}"),
                }
            }
        }
    };
}

kinds! {
    A 1
    NS 2
    CNAME 5
    SOA 6
    PTR 12
    MX 15
    TXT 16
    AAAA 28
    SRV 33
    OPT 41
    DS 43
    AXFR 252
    ANY 255
}

/// A response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
}

impl Rcode {
    /// The code's bits in the header.
    pub(crate) const fn bits(self) -> u16 {
        self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types() {
        assert_eq!(Kind::AAAA.to_string(), "AAAA");
        assert_eq!(Kind(65280).to_string(), "TYPE65280");
    }
}
