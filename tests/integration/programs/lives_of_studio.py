"""Code, images, domains and projects: what the SDK v3 is given, in order."""

import base64

from life import IMAGE, NAME, ROLE, Life, Of

_SCRIPT = base64.b64encode(b"true").decode()
LIVES = (
    Life(
        "CodeRepository",
        {"code_repository_name": NAME, "git_config": {"repository_url": "https://github.com/a/b.git"}},
        update={"git_config": {"secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:AmazonSageMaker-a"}},
    ),
    Life(
        "StudioLifecycleConfig",
        {
            "studio_lifecycle_config_name": NAME,
            "studio_lifecycle_config_content": _SCRIPT,
            "studio_lifecycle_config_app_type": "JupyterLab",
        },
        filters={"app_type_equals": ("JupyterLab", "CodeEditor")},
    ),
    Life(
        "NotebookInstanceLifecycleConfig",
        {"notebook_instance_lifecycle_config_name": NAME, "on_create": [{"content": _SCRIPT}]},
        update={"on_start": [{"content": _SCRIPT}]},
    ),
    Life(
        "Image",
        {"image_name": NAME, "role_arn": ROLE, "description": "first"},
        filters={"sort_order": ("ASCENDING", None)},
        update={"description": "second", "display_name": "shown"},
    ),
    Life(
        "ImageVersion",
        {"image_name": Of("Image", "image_name"), "base_image": IMAGE, "client_token": NAME, "aliases": ["latest"]},
        instead=lambda: {"image_name": NAME},
        update={"version": 1, "release_notes": "notes", "processor": "CPU"},
        delete={"alias": "latest"},
    ),
    Life(
        "AppImageConfig",
        {"app_image_config_name": NAME, "kernel_gateway_image_config": {"kernel_specs": [{"name": "python3"}]}},
        update={"jupyter_lab_app_image_config": {"container_config": {"container_arguments": ["a"]}}},
    ),
    Life(
        "Domain",
        {"domain_name": NAME, "auth_mode": "IAM", "default_user_settings": {"execution_role": ROLE}},
        update={"app_network_access_type": "VpcOnly", "subnet_ids": ["subnet-1"], "vpc_id": "vpc-1"},
        delete={"retention_policy": {"home_efs_file_system": "Delete"}},
    ),
    Life(
        "UserProfile",
        {
            "domain_id": Of("Domain", "domain_id"),
            "user_profile_name": NAME,
            "user_settings": {"security_groups": ["sg-1"]},
        },
        filters={"domain_id_equals": (Of("Domain", "domain_id"), "d-other")},
        update={"user_settings": {"security_groups": ["sg-2"]}},
    ),
    Life(
        "Space",
        {
            "domain_id": Of("Domain", "domain_id"),
            "space_name": NAME,
            "ownership_settings": {"owner_user_profile_name": Of("UserProfile", "user_profile_name")},
            "space_sharing_settings": {"sharing_type": "Private"},
        },
        filters={"domain_id_equals": (Of("Domain", "domain_id"), "d-other")},
        update={"space_display_name": "shown"},
    ),
    Life("Project", {"project_name": NAME, "project_description": "first"}, update={"project_description": "second"}),
    Life("SagemakerServicecatalogPortfolio", also={"enable": {}, "get_status": {}, "disable": {}}),
)
