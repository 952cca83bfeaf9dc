//! Eight 16-bit numbers at a time: a vector register of WebAssembly, and an array that compilers turn into one elsewhere. Both give
//! the same numbers; WebAssembly is spelled out because the array is not turned into one there.

/// Numbers in [`Lanes`].
pub const LANES: usize = 8;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{
        i32x4_extract_lane, u16x8_add_sat, u16x8_eq, u16x8_extract_lane, u16x8_load_extend_u8x8, u16x8_max,
        u16x8_splat, u16x8_sub_sat, u32x4_add, u32x4_extadd_pairwise_u16x8, v128, v128_and, v128_any_true, v128_load,
        v128_or,
    };

    use super::LANES;

    /// Eight numbers.
    #[derive(Clone, Copy)]
    pub struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub fn of(numbers: &[u16; LANES]) -> Self {
            // SAFETY: the reference is good for the 16 bytes that are read, and they need not be aligned.
            Self(unsafe { v128_load(numbers.as_ptr().cast()) })
        }

        #[inline(always)]
        pub fn of_bytes(bytes: &[u8; LANES]) -> Self {
            // SAFETY: the reference is good for the 8 bytes that are read, and they need not be aligned.
            Self(unsafe { u16x8_load_extend_u8x8(bytes.as_ptr()) })
        }

        #[inline(always)]
        pub fn all(number: u16) -> Self {
            Self(u16x8_splat(number))
        }

        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            Self(u16x8_add_sat(self.0, other.0))
        }

        #[inline(always)]
        pub fn minus(self, other: Self) -> Self {
            Self(u16x8_sub_sat(self.0, other.0))
        }

        #[inline(always)]
        pub fn larger(self, other: Self) -> Self {
            Self(u16x8_max(self.0, other.0))
        }

        #[inline(always)]
        pub fn is(self, other: Self) -> Self {
            Self(u16x8_eq(self.0, other.0))
        }

        #[inline(always)]
        pub fn and(self, other: Self) -> Self {
            Self(v128_and(self.0, other.0))
        }

        #[inline(always)]
        pub fn or(self, other: Self) -> Self {
            Self(v128_or(self.0, other.0))
        }

        #[inline(always)]
        pub fn is_any(self) -> bool {
            v128_any_true(self.0)
        }

        #[inline(always)]
        pub fn sum(self) -> u32 {
            let pairs = u32x4_extadd_pairwise_u16x8(self.0);
            let high = core::arch::wasm32::i64x2_shuffle::<1, 0>(pairs, pairs);
            let two = u32x4_add(pairs, high);
            (i32x4_extract_lane::<0>(two) as u32).wrapping_add(i32x4_extract_lane::<1>(two) as u32)
        }

        #[inline(always)]
        pub fn largest(self) -> u32 {
            use core::arch::wasm32::{i16x8_shuffle, i32x4_shuffle, i64x2_shuffle};
            let four = u16x8_max(self.0, i64x2_shuffle::<1, 0>(self.0, self.0));
            let two = u16x8_max(four, i32x4_shuffle::<1, 0, 3, 2>(four, four));
            let one = u16x8_max(two, i16x8_shuffle::<1, 0, 3, 2, 5, 4, 7, 6>(two, two));
            u16x8_extract_lane::<0>(one).into()
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vector {
    use std::array::from_fn;

    use super::LANES;

    /// Eight numbers.
    #[derive(Clone, Copy)]
    pub struct Lanes([u16; LANES]);

    impl Lanes {
        #[inline(always)]
        pub fn of(numbers: &[u16; LANES]) -> Self {
            Self(*numbers)
        }

        #[inline(always)]
        pub fn of_bytes(bytes: &[u8; LANES]) -> Self {
            Self(bytes.map(u16::from))
        }

        #[inline(always)]
        pub fn all(number: u16) -> Self {
            Self([number; LANES])
        }

        #[inline(always)]
        fn with(self, other: Self, join: impl Fn(u16, u16) -> u16) -> Self {
            Self(from_fn(|lane| join(self.0[lane], other.0[lane])))
        }

        #[inline(always)]
        pub fn plus(self, other: Self) -> Self {
            self.with(other, u16::saturating_add)
        }

        #[inline(always)]
        pub fn minus(self, other: Self) -> Self {
            self.with(other, u16::saturating_sub)
        }

        #[inline(always)]
        pub fn larger(self, other: Self) -> Self {
            self.with(other, u16::max)
        }

        #[inline(always)]
        pub fn is(self, other: Self) -> Self {
            self.with(other, |a, b| if a == b { u16::MAX } else { 0 })
        }

        #[inline(always)]
        pub fn and(self, other: Self) -> Self {
            self.with(other, |a, b| a & b)
        }

        #[inline(always)]
        pub fn or(self, other: Self) -> Self {
            self.with(other, |a, b| a | b)
        }

        #[inline(always)]
        pub fn is_any(self) -> bool {
            self.0.iter().fold(0, |any, lane| any | lane) != 0
        }

        #[inline(always)]
        pub fn sum(self) -> u32 {
            self.0.iter().map(|lane| u32::from(*lane)).sum()
        }

        #[inline(always)]
        pub fn largest(self) -> u32 {
            self.0.iter().copied().fold(0, u16::max).into()
        }
    }
}

pub use vector::Lanes;
