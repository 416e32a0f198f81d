use std::io;

use serde::ser::{self, Serialize};

use super::Error;

/// Encodes a value. Fails only when a `Serialize` does, or on lengths and integers the format cannot express.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut serializer = Serializer { out: Vec::with_capacity(128) };
    value.serialize(&mut serializer)?;
    Ok(serializer.out)
}

/// Encodes a value and writes it in one call, so that a failing value writes nothing.
pub fn to_writer<T: Serialize + ?Sized>(mut writer: impl io::Write, value: &T) -> Result<(), Error> {
    Ok(writer.write_all(&to_vec(value)?)?)
}

struct Serializer {
    out: Vec<u8>,
}

impl Serializer {
    fn unsigned(&mut self, value: u64) {
        match value {
            0..=0x7f => self.out.push(value as u8),
            0x80..=0xff => self.out.extend_from_slice(&[0xcc, value as u8]),
            0x100..=0xffff => self.tagged(0xcd, (value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.tagged(0xce, (value as u32).to_be_bytes()),
            _ => self.tagged(0xcf, value.to_be_bytes()),
        }
    }

    fn signed(&mut self, value: i64) {
        match value {
            0.. => self.unsigned(value.cast_unsigned()),
            -0x20..0 => self.out.push(value as u8),
            -0x80..-0x20 => self.out.extend_from_slice(&[0xd0, value as u8]),
            -0x8000..-0x80 => self.tagged(0xd1, (value as i16).to_be_bytes()),
            -0x8000_0000..-0x8000 => self.tagged(0xd2, (value as i32).to_be_bytes()),
            _ => self.tagged(0xd3, value.to_be_bytes()),
        }
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match bytes.len() {
            length @ 0..0x20 => self.out.push(0xa0 | length as u8),
            length @ 0x20..=0xffff => self.tagged(0xda, (length as u16).to_be_bytes()),
            length => self.tagged(0xdb, wide(length)?.to_be_bytes()),
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn container(&mut self, shape: Shape, length: usize) -> Result<(), Error> {
        let (fixed, wide16, wide32) = shape.tags();
        match length {
            0..0x10 => self.out.push(fixed | length as u8),
            0x10..=0xffff => self.tagged(wide16, (length as u16).to_be_bytes()),
            _ => self.tagged(wide32, wide(length)?.to_be_bytes()),
        }
        Ok(())
    }

    fn tagged<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) {
        self.out.push(tag);
        self.out.extend_from_slice(&bytes);
    }

    fn begin(&mut self, shape: Shape, length: Option<usize>) -> Result<Container<'_>, Error> {
        let header_at = match length {
            Some(length) => {
                self.container(shape, length)?;
                None
            }
            None => Some(self.out.len()),
        };
        Ok(Container { serializer: self, shape, header_at, count: 0 })
    }
}

fn wide(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::Inexpressible("length"))
}

#[derive(Clone, Copy)]
enum Shape {
    List,
    Map,
}

impl Shape {
    /// Header bytes for up to 15 entries, for a 16-bit and for a 32-bit count.
    fn tags(self) -> (u8, u8, u8) {
        match self {
            Self::List => (0x90, 0xdc, 0xdd),
            Self::Map => (0x80, 0xde, 0xdf),
        }
    }
}

/// A list or map being written. When its length was not announced (`#[serde(flatten)]`), the header goes in at the end.
struct Container<'a> {
    serializer: &'a mut Serializer,
    shape: Shape,
    header_at: Option<usize>,
    count: usize,
}

impl Container<'_> {
    fn entry<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        value.serialize(&mut *self.serializer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        self.serializer.raw(name.as_bytes())?;
        self.entry(value)
    }

    fn finish(self) -> Result<(), Error> {
        let Some(at) = self.header_at else {
            return Ok(());
        };
        let mut header = Serializer { out: Vec::with_capacity(5) };
        header.container(self.shape, self.count)?;
        self.serializer.out.splice(at..at, header.out);
        Ok(())
    }
}

impl<'a> ser::Serializer for &'a mut Serializer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Container<'a>;
    type SerializeTuple = Container<'a>;
    type SerializeTupleStruct = Container<'a>;
    type SerializeTupleVariant = Container<'a>;
    type SerializeMap = Container<'a>;
    type SerializeStruct = Container<'a>;
    type SerializeStructVariant = Container<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.push(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.signed(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        if let Ok(value) = u64::try_from(value) {
            return self.serialize_u64(value);
        }
        self.serialize_i64(i64::try_from(value).map_err(|_| Error::Inexpressible("integer"))?)
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.unsigned(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.serialize_u64(u64::try_from(value).map_err(|_| Error::Inexpressible("integer"))?)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.tagged(0xca, value.to_be_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.tagged(0xcb, value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.raw(value.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.raw(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.raw(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.container(Shape::Map, 0)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), Error> {
        self.raw(variant.as_bytes())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.container(Shape::Map, 1)?;
        self.raw(variant.as_bytes())?;
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Container<'a>, Error> {
        self.begin(Shape::List, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Container<'a>, Error> {
        self.begin(Shape::List, Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Container<'a>, Error> {
        self.begin(Shape::List, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Container<'a>, Error> {
        self.container(Shape::Map, 1)?;
        self.raw(variant.as_bytes())?;
        self.begin(Shape::List, Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Container<'a>, Error> {
        self.begin(Shape::Map, length)
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Container<'a>, Error> {
        self.begin(Shape::Map, Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Container<'a>, Error> {
        self.container(Shape::Map, 1)?;
        self.raw(variant.as_bytes())?;
        self.begin(Shape::Map, Some(length))
    }
}

/// What serde asks of each kind of list and of struct, which all end and write their parts alike.
macro_rules! containers {
    ($($kind:ident::$part:ident($($name:ident: $text:ty,)?) => $write:ident;)*) => {$(
        impl ser::$kind for Container<'_> {
            type Ok = ();
            type Error = Error;

            fn $part<T: Serialize + ?Sized>(&mut self, $($name: $text,)? value: &T) -> Result<(), Error> {
                self.$write($($name,)? value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

containers! {
    SerializeSeq::serialize_element() => entry;
    SerializeTuple::serialize_element() => entry;
    SerializeTupleStruct::serialize_field() => entry;
    SerializeTupleVariant::serialize_field() => entry;
    SerializeStruct::serialize_field(name: &'static str,) => field;
    SerializeStructVariant::serialize_field(name: &'static str,) => field;
}

impl ser::SerializeMap for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut *self.serializer)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.entry(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
