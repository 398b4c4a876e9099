"""Set-up of the tests: assertions in the shared requirements explain themselves as those in tests do."""

import pytest

pytest.register_assert_rewrite("conformance")
