"""Share links, and the access log."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


IMAGE_MODEL = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")


class Migration(migrations.Migration):

    dependencies = [
        ('images_app', '0002_more_formats'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(IMAGE_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ShareLink',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='public id')),
                ('token_hash', models.CharField(editable=False, max_length=64, unique=True)),
                ('level', models.PositiveSmallIntegerField(choices=[(10, 'preview (small sizes)'), (20, 'view (all sizes)'), (30, 'original (download)')], default=20, verbose_name='level')),
                ('watermark', models.CharField(blank=True, max_length=100, verbose_name='watermark')),
                ('note', models.CharField(blank=True, max_length=200, verbose_name='for whom')),
                ('password', models.CharField(blank=True, editable=False, max_length=128)),
                ('password_version', models.PositiveIntegerField(default=1, editable=False)),
                ('ends_at', models.DateTimeField(blank=True, null=True, verbose_name='ends at')),
                ('max_views', models.PositiveIntegerField(blank=True, null=True, verbose_name='most views')),
                ('views', models.PositiveIntegerField(default=0, editable=False, verbose_name='views')),
                ('last_view_at', models.DateTimeField(editable=False, null=True, verbose_name='last viewed at')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('revoked_at', models.DateTimeField(editable=False, null=True, verbose_name='revoked at')),
                ('wrong_guesses', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('last_wrong_at', models.DateTimeField(editable=False, null=True)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('gallery', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='share_links', to='images_app.gallery', verbose_name='gallery')),
                ('image', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='share_links', to=IMAGE_MODEL, verbose_name='image')),
            ],
            options={
                'verbose_name': 'share link',
                'verbose_name_plural': 'share links',
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='AccessEntry',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_index=True, verbose_name='at')),
                ('kind', models.CharField(choices=[('page', 'page of an image'), ('gallery', 'page of a gallery'), ('rendition', 'rendition'), ('original', 'original'), ('link', 'share link')], max_length=10, verbose_name='what')),
                ('public_id', models.UUIDField(db_index=True, verbose_name='public id')),
                ('level', models.PositiveSmallIntegerField(choices=[(10, 'preview (small sizes)'), (20, 'view (all sizes)'), (30, 'original (download)')], null=True, verbose_name='level')),
                ('is_allowed', models.BooleanField(verbose_name='let in')),
                ('reason', models.CharField(blank=True, choices=[('absent', 'there is none'), ('trashed', 'in the trash'), ('forbidden', 'not shown to this viewer'), ('level', 'shown at a lower level only'), ('outdated', 'no such version or size'), ('ended', 'ended, revoked or used up'), ('password', 'wrong password'), ('resting', 'too many wrong passwords'), ('signed', 'by a signed URL')], max_length=10, verbose_name='reason')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
                ('link', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='images_app.sharelink', verbose_name='share link')),
            ],
            options={
                'verbose_name': 'access log entry',
                'verbose_name_plural': 'access log',
                'ordering': ['-at', '-id'],
                'default_permissions': ('view',),
            },
        ),
        migrations.AddConstraint(
            model_name='sharelink',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('gallery__isnull', False), ('image__isnull', True)), models.Q(('gallery__isnull', True), ('image__isnull', False)), _connector='OR'), name='images_app_sharelink_to_gallery_or_image', violation_error_message='Choose exactly one of gallery and image.'),
        ),
        migrations.AddConstraint(
            model_name='sharelink',
            constraint=models.CheckConstraint(condition=models.Q(('level__in', [10, 20, 30])), name='images_app_sharelink_level_is_known'),
        ),
        migrations.AddConstraint(
            model_name='sharelink',
            constraint=models.CheckConstraint(condition=models.Q(('watermark', ''), ('level__lt', 30), _connector='OR'), name='images_app_sharelink_originals_bear_no_watermark', violation_error_message='Originals bear no watermark.'),
        ),
        migrations.AddConstraint(
            model_name='sharelink',
            constraint=models.CheckConstraint(condition=models.Q(('max_views__isnull', True), ('max_views__gte', 1), _connector='OR'), name='images_app_sharelink_most_views_is_one_or_more'),
        ),
    ]
