//! Regions with their real names, and streets that exist nowhere.

use crate::rng::Rng;

/// 시도 and 시군구, a sample over the whole country.
const REGIONS: &[(&str, &str)] = &[
    ("서울특별시", "강남구"),
    ("서울특별시", "마포구"),
    ("서울특별시", "관악구"),
    ("서울특별시", "노원구"),
    ("서울특별시", "은평구"),
    ("서울특별시", "송파구"),
    ("부산광역시", "해운대구"),
    ("부산광역시", "사하구"),
    ("대구광역시", "수성구"),
    ("대구광역시", "달서구"),
    ("인천광역시", "남동구"),
    ("인천광역시", "서구"),
    ("광주광역시", "북구"),
    ("대전광역시", "유성구"),
    ("울산광역시", "남구"),
    ("경기도", "수원시"),
    ("경기도", "고양시"),
    ("경기도", "용인시"),
    ("경기도", "부천시"),
    ("경기도", "가평군"),
    ("강원특별자치도", "원주시"),
    ("강원특별자치도", "횡성군"),
    ("충청북도", "청주시"),
    ("충청남도", "천안시"),
    ("충청남도", "서산시"),
    ("전북특별자치도", "전주시"),
    ("전북특별자치도", "남원시"),
    ("전라남도", "순천시"),
    ("전라남도", "완도군"),
    ("경상북도", "포항시"),
    ("경상북도", "안동시"),
    ("경상남도", "창원시"),
    ("경상남도", "거제시"),
    ("제주특별자치도", "제주시"),
    ("제주특별자치도", "서귀포시"),
];

/// Road names made up for this program, with numbers above what roads have.
const ROADS: &[&str] =
    &["합성새온로", "합성다솜길", "합성누리로", "합성미르길", "합성가온로", "합성별하길", "합성해솔로", "합성윤슬길"];

/// An address: real region, made-up street.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) province: &'static str,
    pub(crate) district: &'static str,
    pub(crate) road: &'static str,
    pub(crate) number: i32,
}

impl Address {
    /// Somewhere in the country, or, seven times of ten, in the given home region.
    pub(crate) fn draw(rng: &mut Rng, home: (&'static str, &'static str)) -> Self {
        let (province, district) = if rng.percent(70) { home } else { *rng.pick(REGIONS) };
        Self { province, district, road: *rng.pick(ROADS), number: rng.between(9001, 9999) }
    }

    /// Somewhere in the country.
    pub(crate) fn anywhere(rng: &mut Rng) -> Self {
        let home = *rng.pick(REGIONS);
        Self::draw(rng, home)
    }

    /// The address on one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {} {} {}", self.province, self.district, self.road, self.number)
    }
}
