"""The forms of names and documents, and the class that a verification earns (CM 7.2)."""

from __future__ import annotations

from datetime import date

import pytest

from mpss.accounts.customer_model import CustomerKind, DocumentKind, ImageKind, Sex, Verification, class_earned
from mpss.accounts.identity import IdentityClaim, check_images, is_one_name, parse_identity, parse_image
from mpss.accounts.model import AccountClass
from mpss.kernel.errors import MalformedField
from tests.support.clauses import clause

TODAY = date(2026, 3, 1)
GOOD = IdentityClaim(CustomerKind.INDIVIDUAL, "李小明", DocumentKind.RESIDENT_ID, "360426199101010071")
COMPANY = IdentityClaim(
    CustomerKind.CORPORATE, "南城信息技术有限公司", DocumentKind.BUSINESS_LICENCE, "91110000600037341L"
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@clause("CM 7.2.1", "CM 7.2.2")
class TestAnIdentity:
    def test_of_a_resident_has_the_sex_of_the_number_and_prints_itself_masked(self) -> None:
        identity = parse_identity(GOOD._replace(name=" 李 小明 "), today=TODAY)
        assert (identity.sex, identity.number, identity.name) == (Sex.MALE, "360426199101010071", "李 小明")
        assert "小明" not in repr(identity)
        assert "19910101" not in repr(identity) + repr(GOOD)

    @pytest.mark.parametrize(
        ("field", "change"),
        [
            ("document_number", {"document_number": "360426199101010072"}),
            ("document_number", {"document_number": "36042619910101007"}),
            ("document_number", {"document_number": "360426199102300071"}),
            ("document_number", {"document_kind": DocumentKind.PASSPORT, "document_number": "E1"}),
            ("document_number", {"document_kind": DocumentKind.TAIWAN_PERMIT, "document_number": "1234567a"}),
            ("valid_until", {"valid_until": "2026-02-28"}),
            ("valid_until", {"valid_until": "2026-02-30"}),
            ("valid_until", {"document_kind": DocumentKind.PASSPORT, "document_number": "E12345678"}),
            ("sex", {"sex": Sex.FEMALE}),
            ("name", {"name": "李"}),
            ("name", {"name": "李小明7"}),
            ("name", {"name": "李小明\u202e"}),
            ("nationality", {"nationality": "cn"}),
            ("contact", {"contact": "1" * 41}),
            ("document_kind", {"kind": CustomerKind.CORPORATE}),
        ],
    )  # fmt: skip
    def test_out_of_form_names_the_field(self, field: str, change: dict[str, object]) -> None:
        with pytest.raises(MalformedField) as caught:
            parse_identity(GOOD._replace(**change), today=TODAY)  # type: ignore[arg-type]
        assert caught.value.field == field
        assert "360426" not in str(caught.value)

    def test_of_a_company_has_its_credit_code_checked(self) -> None:
        assert parse_identity(COMPANY, today=TODAY).number == "91110000600037341L"
        with pytest.raises(MalformedField, match="document_number"):
            parse_identity(COMPANY._replace(document_number="91110000600037342L"), today=TODAY)

    @pytest.mark.parametrize(
        "name",
        ["欧阳·娜", "Anne-Marie O'Neill", "买买提·阿不都拉", "𠮷田", "张〇", "L\u01ceo", "龘" * 50],
    )
    def test_may_have_any_name_of_a_person(self, name: str) -> None:
        assert parse_identity(GOOD._replace(name=name), today=TODAY).name == name

    @pytest.mark.parametrize("dot", "·\u2022\u30fb\uff65\u2027\uff0e")
    def test_has_one_name_however_it_was_keyed_in(self, dot: str) -> None:
        assert parse_identity(GOOD._replace(name=f"欧阳{dot}娜"), today=TODAY).name == "欧阳·娜"
        passport = parse_identity(GOOD._replace(name="ANNE\u2011MARIE O\u2019NEILL"), today=TODAY).name
        assert is_one_name(passport, "Anne-Marie O'Neill")
        assert not is_one_name(passport, "Anne Marie O'Neill")

    @pytest.mark.parametrize("name", ["李\u200b小明", "李小\ud800明", "龘" * 51, "李小明\u0000"])
    def test_of_signs_that_nobody_sees_is_refused(self, name: str) -> None:
        with pytest.raises(MalformedField, match="name"):
            parse_identity(GOOD._replace(name=name), today=TODAY)

    def test_needs_the_images_of_its_document(self) -> None:
        front, back = parse_image(ImageKind.FRONT, PNG), parse_image(ImageKind.BACK, b"\xff\xd8\xff\xe0")
        check_images(parse_identity(GOOD, today=TODAY), [back, front])
        for images in ([front], [front, front], [front, back, back]):
            with pytest.raises(MalformedField, match="images"):
                check_images(parse_identity(GOOD, today=TODAY), images)
        for content in (b"GIF89a", PNG + bytes(240_000)):
            with pytest.raises(MalformedField, match="images"):
                parse_image(ImageKind.FRONT, content)


@clause("CM 5.2.2")
def test_a_class_is_earned_by_channels_and_a_face() -> None:
    channels = list(Verification)
    alone = [class_earned(face_to_face=False, channels=channels[:count]) for count in range(6)]
    seen = [class_earned(face_to_face=True, channels=channels[:count]) for count in range(6)]
    one, two, three = AccountClass.CLASS_1, AccountClass.CLASS_2, AccountClass.CLASS_3
    assert alone == [AccountClass.WEAK, one, one, two, two, three]
    assert seen == [two, two, two, two, two, three]
    assert class_earned(face_to_face=False, channels=[channels[0]] * 5) is one
