"""BMP, TIFF and HEIC, for hosts that let them in."""

from django.conf import settings
from django.db import migrations, models


IMAGE_MODEL = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")


class Migration(migrations.Migration):

    dependencies = [
        ('contenttypes', '0002_remove_content_type_name'),
        ('images_app', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(IMAGE_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='image',
            name='images_app_image_format_is_known',
        ),
        migrations.RemoveConstraint(
            model_name='rendition',
            name='images_app_rendition_format_is_known',
        ),
        migrations.AlterField(
            model_name='image',
            name='format',
            field=models.CharField(choices=[('jpeg', 'JPEG'), ('png', 'PNG'), ('gif', 'GIF'), ('webp', 'WEBP'), ('avif', 'AVIF'), ('bmp', 'BMP'), ('tiff', 'TIFF'), ('heic', 'HEIC')], editable=False, max_length=10, verbose_name='format'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['jpeg', 'png', 'gif', 'webp', 'avif', 'bmp', 'tiff', 'heic'])), name='images_app_image_format_is_known'),
        ),
        migrations.AddConstraint(
            model_name='rendition',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['jpeg', 'png', 'gif', 'webp', 'avif', 'bmp', 'tiff', 'heic'])), name='images_app_rendition_format_is_known'),
        ),
    ]
