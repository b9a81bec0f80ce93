"""The first tables. The swappable setting may be absent in a host: it is read with its default."""

import django.core.validators
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


IMAGE_MODEL = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(IMAGE_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='public id')),
                ('title', models.CharField(blank=True, max_length=200, verbose_name='title')),
                ('alt_text', models.CharField(blank=True, help_text='What is to be seen, for those who cannot see it.', max_length=500, verbose_name='alternative text')),
                ('caption', models.TextField(blank=True, verbose_name='caption')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='added at')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='changed at')),
                ('trashed_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='trashed at')),
                ('taken_at', models.DateTimeField(blank=True, null=True, verbose_name='taken at')),
                ('focal_x', models.FloatField(default=0.5, help_text='What crops keep in view: 0 is the left edge, 1 the right one.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)], verbose_name='focal point, across')),
                ('focal_y', models.FloatField(default=0.5, help_text='0 is the upper edge, 1 the lower one.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)], verbose_name='focal point, down')),
                ('version', models.PositiveIntegerField(default=1, editable=False, verbose_name='version')),
                ('storage_alias', models.CharField(editable=False, max_length=100, verbose_name='storage')),
                ('storage_name', models.CharField(editable=False, max_length=200, verbose_name='name in storage')),
                ('file_name', models.CharField(editable=False, max_length=200, verbose_name='file name')),
                ('format', models.CharField(choices=[('jpeg', 'JPEG'), ('png', 'PNG'), ('gif', 'GIF'), ('webp', 'WEBP'), ('avif', 'AVIF')], editable=False, max_length=10, verbose_name='format')),
                ('width', models.PositiveIntegerField(editable=False, verbose_name='width')),
                ('height', models.PositiveIntegerField(editable=False, verbose_name='height')),
                ('orientation', models.PositiveSmallIntegerField(default=1, editable=False, verbose_name='orientation')),
                ('byte_size', models.PositiveBigIntegerField(editable=False, verbose_name='size in bytes')),
                ('frames', models.PositiveIntegerField(default=1, editable=False, verbose_name='frames')),
                ('checksum', models.CharField(db_index=True, editable=False, max_length=64, verbose_name='SHA-256 checksum')),
                ('dominant_color', models.CharField(default='#808080', editable=False, max_length=7, validators=[django.core.validators.RegexValidator('\\A#[0-9a-f]{6}\\Z')], verbose_name='dominant colour')),
                ('host_key', models.CharField(blank=True, editable=False, max_length=64, null=True)),
                ('host_field', models.CharField(blank=True, editable=False, max_length=64, null=True)),
                ('host_content_type', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='contenttypes.contenttype')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'image',
                'verbose_name_plural': 'images',
                'ordering': ['-created_at', '-id'],
                'abstract': False,
                'swappable': 'IMAGES_APP_IMAGE_MODEL',
            },
        ),
        migrations.CreateModel(
            name='CameraData',
            fields=[
                ('image', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='camera_data', serialize=False, to=IMAGE_MODEL, verbose_name='image')),
                ('make', models.CharField(blank=True, max_length=100, verbose_name='make')),
                ('model', models.CharField(blank=True, max_length=100, verbose_name='model')),
                ('lens', models.CharField(blank=True, max_length=100, verbose_name='lens')),
                ('exposure_time', models.FloatField(blank=True, null=True, verbose_name='exposure time')),
                ('f_number', models.FloatField(blank=True, null=True, verbose_name='f-number')),
                ('iso', models.PositiveIntegerField(blank=True, null=True, verbose_name='ISO')),
                ('focal_length', models.FloatField(blank=True, null=True, verbose_name='focal length')),
            ],
            options={
                'verbose_name': 'camera data',
                'verbose_name_plural': 'camera data',
            },
        ),
        migrations.CreateModel(
            name='Gallery',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='public id')),
                ('title', models.CharField(max_length=200, verbose_name='title')),
                ('description', models.TextField(blank=True, verbose_name='description')),
                ('visibility', models.CharField(choices=[('private', 'Private: owner, staff and anyone with a grant'), ('members', 'Members: everyone who is logged in'), ('public', 'Public: anyone, without login')], default='private', max_length=10, verbose_name='visibility')),
                ('position', models.IntegerField(default=0, help_text='Lower comes first; equal ones by date, newest first.', verbose_name='position')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='changed at')),
                ('cover', models.ForeignKey(blank=True, help_text='Shown to those who may see it; without one, the first image is.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=IMAGE_MODEL, verbose_name='cover')),
                ('owner', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'gallery',
                'verbose_name_plural': 'galleries',
                'ordering': ['position', '-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='GalleryItem',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('position', models.IntegerField(default=0, verbose_name='position')),
                ('gallery', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='images_app.gallery', verbose_name='gallery')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='gallery_items', to=IMAGE_MODEL, verbose_name='image')),
            ],
            options={
                'verbose_name': 'image in a gallery',
                'verbose_name_plural': 'images in galleries',
                'ordering': ['gallery', 'position', 'id'],
            },
        ),
        migrations.AddField(
            model_name='gallery',
            name='images',
            field=models.ManyToManyField(related_name='galleries', through='images_app.GalleryItem', to=IMAGE_MODEL),
        ),
        migrations.CreateModel(
            name='Grant',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('level', models.PositiveSmallIntegerField(blank=True, choices=[(10, 'preview (small sizes)'), (20, 'view (all sizes)'), (30, 'original (download)')], null=True, verbose_name='level')),
                ('right', models.CharField(blank=True, choices=[('change', 'change'), ('share', 'share'), ('delete', 'delete')], max_length=10, null=True, verbose_name='right')),
                ('ends_at', models.DateTimeField(blank=True, help_text='Empty: until it is taken back.', null=True, verbose_name='ends at')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('gallery', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='grants', to='images_app.gallery', verbose_name='gallery')),
                ('group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='auth.group', verbose_name='group')),
                ('image', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='grants', to=IMAGE_MODEL, verbose_name='image')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'grant',
                'verbose_name_plural': 'grants',
            },
        ),
        migrations.CreateModel(
            name='Rendition',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('fingerprint', models.CharField(max_length=16, verbose_name='fingerprint')),
                ('format', models.CharField(max_length=10, verbose_name='format')),
                ('width', models.PositiveIntegerField(verbose_name='width')),
                ('height', models.PositiveIntegerField(verbose_name='height')),
                ('byte_size', models.PositiveBigIntegerField(verbose_name='size in bytes')),
                ('storage_alias', models.CharField(max_length=100, verbose_name='storage')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='made at')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='renditions', to=IMAGE_MODEL, verbose_name='image')),
            ],
            options={
                'verbose_name': 'rendition',
                'verbose_name_plural': 'renditions',
            },
        ),
        migrations.CreateModel(
            name='RenditionLease',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField()),
                ('fingerprint', models.CharField(max_length=16)),
                ('format', models.CharField(max_length=10)),
                ('holder', models.UUIDField(db_index=True)),
                ('ends_at', models.DateTimeField()),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=IMAGE_MODEL)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(fields=['-created_at', '-id'], name='images_app__created_98a23f_idx'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(fields=['owner', '-created_at', '-id'], name='images_app__owner_i_083bf3_idx'),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(fields=['host_content_type', 'host_key'], name='images_app__host_co_200d0c_idx'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('byte_size__gte', 1), ('frames__gte', 1), ('height__gte', 1), ('width__gte', 1)), name='images_app_image_is_not_empty'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('version__gte', 1)), name='images_app_image_version_counts_from_1'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('focal_x__range', (0, 1)), ('focal_y__range', (0, 1))), name='images_app_image_focal_point_is_inside'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('orientation__range', (1, 8))), name='images_app_image_orientation_is_exif'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['jpeg', 'png', 'gif', 'webp', 'avif'])), name='images_app_image_format_is_known'),
        ),
        migrations.AddIndex(
            model_name='galleryitem',
            index=models.Index(fields=['gallery', 'position', 'id'], name='images_app__gallery_88c83f_idx'),
        ),
        migrations.AddConstraint(
            model_name='galleryitem',
            constraint=models.UniqueConstraint(fields=('gallery', 'image'), name='images_app_galleryitem_image_hangs_once'),
        ),
        migrations.AddIndex(
            model_name='gallery',
            index=models.Index(fields=['position', '-created_at', '-id'], name='images_app__positio_707334_idx'),
        ),
        migrations.AddIndex(
            model_name='gallery',
            index=models.Index(fields=['visibility'], name='images_app__visibil_96190a_idx'),
        ),
        migrations.AddConstraint(
            model_name='gallery',
            constraint=models.CheckConstraint(condition=models.Q(('visibility__in', ['private', 'members', 'public'])), name='images_app_gallery_visibility_is_known'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('group__isnull', True), ('user__isnull', False)), models.Q(('group__isnull', False), ('user__isnull', True)), _connector='OR'), name='images_app_grant_to_user_or_group', violation_error_message='Choose exactly one of user and group.'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('gallery__isnull', False), ('image__isnull', True)), models.Q(('gallery__isnull', True), ('image__isnull', False)), _connector='OR'), name='images_app_grant_on_gallery_or_image', violation_error_message='Choose exactly one of gallery and image.'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('level__isnull', False), ('right__isnull', True)), models.Q(('level__isnull', True), ('right__isnull', False)), _connector='OR'), name='images_app_grant_of_level_or_right', violation_error_message='Choose exactly one of level and right.'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('level__isnull', True), ('level__in', [10, 20, 30]), _connector='OR'), name='images_app_grant_level_is_known'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('right__isnull', True), ('right__in', ['change', 'share', 'delete']), _connector='OR'), name='images_app_grant_right_is_known'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('gallery__isnull', False), ('level__isnull', False), ('user__isnull', False)), fields=('user', 'gallery'), name='images_app_grant_one_level_of_user_on_gallery'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('gallery__isnull', False), ('right__isnull', False), ('user__isnull', False)), fields=('user', 'gallery', 'right'), name='images_app_grant_one_right_of_user_on_gallery'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('image__isnull', False), ('level__isnull', False), ('user__isnull', False)), fields=('user', 'image'), name='images_app_grant_one_level_of_user_on_image'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('image__isnull', False), ('right__isnull', False), ('user__isnull', False)), fields=('user', 'image', 'right'), name='images_app_grant_one_right_of_user_on_image'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('gallery__isnull', False), ('group__isnull', False), ('level__isnull', False)), fields=('group', 'gallery'), name='images_app_grant_one_level_of_group_on_gallery'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('gallery__isnull', False), ('group__isnull', False), ('right__isnull', False)), fields=('group', 'gallery', 'right'), name='images_app_grant_one_right_of_group_on_gallery'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('group__isnull', False), ('image__isnull', False), ('level__isnull', False)), fields=('group', 'image'), name='images_app_grant_one_level_of_group_on_image'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(condition=models.Q(('group__isnull', False), ('image__isnull', False), ('right__isnull', False)), fields=('group', 'image', 'right'), name='images_app_grant_one_right_of_group_on_image'),
        ),
        migrations.AddConstraint(
            model_name='rendition',
            constraint=models.UniqueConstraint(fields=('image', 'version', 'fingerprint', 'format'), name='images_app_rendition_identity'),
        ),
        migrations.AddConstraint(
            model_name='rendition',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['jpeg', 'png', 'gif', 'webp', 'avif'])), name='images_app_rendition_format_is_known'),
        ),
        migrations.AddConstraint(
            model_name='renditionlease',
            constraint=models.UniqueConstraint(fields=('image', 'version', 'fingerprint', 'format'), name='images_app_renditionlease_one_holder'),
        ),
    ]
