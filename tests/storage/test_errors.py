import pytest

from storage import errors

TREE = [error for error in vars(errors).values() if isinstance(error, type)]


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_error_tree(error: type[errors.StorageError]) -> None:
    """Every error belongs to the tree, has an exit code, and stands in the module's picture."""
    assert issubclass(error, errors.StorageError)
    assert error.exit_code in {2, 3}
    lines = [line for line in str(errors.__doc__).splitlines() if f"{error.__name__} " in line]
    assert [f"exit {error.exit_code}" in line for line in lines] == [True]
